import type { EventStore, RecordedEvent } from '../../events/eventStore.ts';
import type { AuditQueries, ChainEntry, ChainHead } from './audit.queries.ts';
import { Chains, type KeptHead } from './chains.ts';
import { finding, type FirstDifference } from './finding.ts';

const PAGE = 1_000;

export interface AuditReport {
  readonly ok: boolean;
  readonly accounts: number;
  /** Events whose hash was recomputed. */
  readonly events: number;
  /** Up to here the record was looked at: to the least audit checkpoint, unless there is a difference. */
  readonly position: bigint;
  readonly firstDifference: FirstDifference | null;
  /** Recomputed heads, by account id; as far as the first difference, if there is one. For keeping elsewhere. */
  readonly heads: readonly ChainHead[];
}

export interface AuditOptions {
  /** Looks at the chain of this account only; gaps in the log are still found. */
  readonly accountId?: string;
  /** A head that was kept since an earlier audit. */
  readonly expectedHead?: KeptHead;
}

/**
 * Recomputes every chain from the stored events alone, from the beginning to the least audit checkpoint, and compares it with
 * the audit's tables and with a head that was kept elsewhere. Stops at the first difference in log order. Safe while
 * both grow. Throws StoreUnavailable.
 */
export async function verifyAudit(
  store: EventStore,
  queries: AuditQueries,
  options: AuditOptions = {},
): Promise<AuditReport> {
  const accountId = options.accountId ?? null;
  const extent = await queries.extent(accountId);
  const chains = new Chains(accountId, options.expectedHead ?? null);
  let position = 0n;
  let difference: FirstDifference | null = null;
  while (!difference && position < extent.position) {
    const page = await store.readAll({ after: position, limit: PAGE });
    const events = page.events.filter((event) => event.position <= extent.position);
    const isInside = page.position > position && page.position < extent.position;
    const upTo = isInside ? page.position : extent.position;
    const entries = await queries.entriesBetween(position + 1n, upTo, accountId);
    difference = comparePage(chains, { after: position, upTo, events }, entries, store.isContiguous === true);
    position = upTo;
  }
  if (!difference && extent.beyond !== null) difference = finding('entry_unexpected', extent.beyond, {});
  difference ??= chains.compareHeads(extent.heads, extent.position, extent.furthest);
  const heads = chains.heads();
  return {
    ok: difference === null,
    accounts: heads.length,
    events: chains.events,
    position: difference?.position ?? position,
    firstDifference: difference,
    heads,
  };
}

interface Stretch {
  readonly after: bigint;
  readonly upTo: bigint;
  /** All that the record has of it. */
  readonly events: readonly RecordedEvent[];
}

/** An event is missing where an entry stands without it; and where the store counts its events, wherever a number is left out. */
function comparePage(
  chains: Chains,
  { after, upTo, events }: Stretch,
  entries: readonly ChainEntry[],
  isContiguous: boolean,
): FirstDifference | null {
  const unmet = new Map(entries.map((entry) => [entry.position, entry]));
  let last = after;
  for (const event of events) {
    const missing = missingBetween(unmet, last, event.position, isContiguous);
    if (missing) return missing;
    const difference = chains.compare(event, unmet.get(event.position));
    if (difference) return difference;
    unmet.delete(event.position);
    last = event.position;
  }
  return missingBetween(unmet, last, upTo + 1n, isContiguous);
}

/** Entries come in the order of their positions, so the first that is left is the first that was not met. */
function missingBetween(
  unmet: ReadonlyMap<bigint, ChainEntry>,
  last: bigint,
  next: bigint,
  isContiguous: boolean,
): FirstDifference | null {
  if (isContiguous && last + 1n < next) return finding('event_missing', last + 1n, unmet.get(last + 1n) ?? {});
  const [entry] = unmet.values();
  return entry && entry.position < next ? finding('event_missing', entry.position, entry) : null;
}
