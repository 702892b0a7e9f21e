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
    const last = events.at(-1)?.position ?? position;
    const entries = await queries.entriesBetween(position + 1n, last, accountId);
    difference = comparePage(chains, position, events, new Map(entries.map((entry) => [entry.position, entry])));
    if (!difference && events.length === 0) difference = finding('event_missing', position + 1n, {});
    position = last;
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

function comparePage(
  chains: Chains,
  after: bigint,
  events: readonly RecordedEvent[],
  entries: ReadonlyMap<bigint, ChainEntry>,
): FirstDifference | null {
  let expected = after + 1n;
  for (const event of events) {
    if (event.position !== expected) return finding('event_missing', expected, entries.get(expected) ?? {});
    const difference = chains.compare(event, entries.get(expected));
    if (difference) return difference;
    expected += 1n;
  }
  return null;
}
