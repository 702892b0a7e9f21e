import type { ReadReq } from './protocol.ts';
import type { StoredEvent } from './storedLog.ts';

type FilterOptions = NonNullable<ReturnType<NonNullable<ReturnType<ReadReq['getOptions']>>['getFilter']>>;

/** What the server looks at in one step when the client does not say. */
const DEFAULT_SEARCH_WINDOW = 32;

export interface EventFilter {
  readonly allows: (event: StoredEvent) => boolean;
  readonly searchWindow: number;
  /** Events between two checkpoints, at most. */
  readonly checkpointInterval: number;
}

/** A filter on stream names or event types, by prefixes or by a regular expression; without one everything passes. */
export function eventFilter(options: FilterOptions | undefined): EventFilter {
  const searchWindow = options?.hasMax() ? options.getMax() : DEFAULT_SEARCH_WINDOW;
  const checkpointInterval = searchWindow * (options?.getCheckpointintervalmultiplier() ?? 1);
  const byStream = options?.getStreamIdentifier();
  const expression = byStream ?? options?.getEventType();
  if (!expression) return { allows: () => true, searchWindow, checkpointInterval };
  const regex = expression.getRegex() === '' ? null : new RegExp(expression.getRegex());
  const prefixes = expression.getPrefixList();
  const matches = (name: string) => (regex ? regex.test(name) : prefixes.some((prefix) => name.startsWith(prefix)));
  return { allows: (event) => matches(byStream ? event.stream : event.type), searchWindow, checkpointInterval };
}
