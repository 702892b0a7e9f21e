/** What is wrong at a position. */
export type Finding =
  /** The log has no event here, though it has or had later ones. */
  | 'event_missing'
  /** The event stands in no chain, or in another account's. */
  | 'entry_missing'
  /** Event and entry disagree on what they can be compared by: sequence, event id, stream, revision or type. */
  | 'entry_differs'
  /** The bytes of the event are not those that were chained, or the entry's hash was changed. */
  | 'hash_differs'
  /** An entry stands where the chains have not come to. */
  | 'entry_unexpected'
  /** The stored head of the account is not the end of its chain. */
  | 'head_differs'
  /** The head that the auditor kept is not in the chain: it was cut or rewritten. */
  | 'kept_head_missing';

export interface FirstDifference {
  readonly what: Finding;
  readonly accountId: string;
  readonly position: bigint;
  /** Null where nothing tells it. */
  readonly sequence: bigint | null;
  readonly stream: string | null;
  readonly revision: bigint | null;
  readonly eventId: string | null;
}

/** A difference with what is known of its place. */
export function finding(
  what: Finding,
  position: bigint,
  where: Partial<Omit<FirstDifference, 'what' | 'position'>>,
): FirstDifference {
  const { accountId = '?', sequence = null, stream = null, revision = null, eventId = null } = where;
  return { what, accountId, position, sequence, stream, revision, eventId };
}
