import { streamCategory } from '../../events/ids.ts';

/** Which streams are read: those of some categories, or all but the system's. */
export interface StreamFilter {
  /** A regular expression for the server. */
  readonly pattern: string;
  readonly allows: (stream: string) => boolean;
}

/** Names that begin so belong to the system. */
const SYSTEM = '$';

/** `category-…`, or the category alone. */
export function streamFilter(categories: readonly string[] | undefined): StreamFilter {
  if (!categories) return { pattern: '^[^$]', allows: (stream) => !stream.startsWith(SYSTEM) };
  const wanted = new Set(categories);
  const names = categories.map((category) => category.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return {
    pattern: `^(?:${names.join('|')})(?:-|$)`,
    allows: (stream) => !stream.startsWith(SYSTEM) && wanted.has(streamCategory(stream)),
  };
}
