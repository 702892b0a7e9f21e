import { accountIdIn } from '../../events/envelopeIn.ts';
import type { RecordedEvent } from '../../events/eventStore.ts';
import type { ChainEntry, ChainHead } from './audit.queries.ts';
import { chainHash, GENESIS } from './chain.ts';
import { finding, type FirstDifference } from './finding.ts';

/** A head that somebody kept since an earlier audit. */
export type KeptHead = Pick<ChainHead, 'accountId' | 'sequence' | 'hash'>;

/** Chains as the stored events alone give them, compared link by link with what the audit's tables say. */
export class Chains {
  readonly #only: string | null;
  readonly #kept: KeptHead | null;
  readonly #ends = new Map<string, { sequence: bigint; position: bigint; hash: Buffer }>();
  #keptFound = false;
  events = 0;

  constructor(only: string | null, kept: KeptHead | null) {
    this.#only = only;
    this.#kept = kept;
  }

  /** Extends the chain of the event's account and compares the link with its entry. */
  compare(event: RecordedEvent, entry: ChainEntry | undefined): FirstDifference | null {
    const accountId = accountIdIn(event.data);
    if (this.#only !== null && accountId !== this.#only) {
      return entry ? finding('entry_differs', event.position, entry) : null;
    }
    const before = this.#ends.get(accountId);
    const sequence = (before?.sequence ?? 0n) + 1n;
    const place = { accountId, sequence, stream: event.stream, revision: event.revision, eventId: event.eventId };
    if (entry?.accountId !== accountId) return finding('entry_missing', event.position, { ...place, ...entry });
    if (!sameLink(entry, event, sequence)) return finding('entry_differs', event.position, place);
    const hash = chainHash(before?.hash ?? GENESIS, event);
    if (hash.toString('hex') !== entry.hash) return finding('hash_differs', event.position, place);
    this.#ends.set(accountId, { sequence, position: event.position, hash });
    this.events += 1;
    const kept = this.#kept;
    if (kept?.accountId === accountId && kept.sequence === sequence) {
      if (kept.hash !== entry.hash) return finding('kept_head_missing', event.position, place);
      this.#keptFound = true;
    }
    return null;
  }

  /**
   * What no single event shows: a stored head that is not an end, and a kept head that was never met. Everything was
   * compared up to `position`; heads after it and up to `furthest` are of partitions that are ahead of others.
   */
  compareHeads(stored: readonly ChainHead[], position: bigint, furthest: bigint): FirstDifference | null {
    const computed = new Map(this.heads().map((head) => [head.accountId, head]));
    for (const head of stored) {
      const end = computed.get(head.accountId);
      const ahead = head.position > position && head.position <= furthest;
      if (!ahead && (end?.sequence !== head.sequence || end.hash !== head.hash || end.position !== head.position)) {
        return finding('head_differs', end?.position ?? head.position, head);
      }
      computed.delete(head.accountId);
    }
    const [headless] = computed.values();
    if (headless) return finding('head_differs', headless.position, headless);
    if (this.#kept && !this.#keptFound) return finding('kept_head_missing', position, this.#kept);
    return null;
  }

  heads(): readonly ChainHead[] {
    return [...this.#ends]
      .map(([accountId, { sequence, position, hash }]) => ({
        accountId,
        sequence,
        position,
        hash: hash.toString('hex'),
      }))
      .sort((a, b) => (a.accountId < b.accountId ? -1 : 1));
  }
}

function sameLink(entry: ChainEntry, event: RecordedEvent, sequence: bigint): boolean {
  return (
    entry.sequence === sequence &&
    entry.eventId === event.eventId &&
    entry.stream === event.stream &&
    entry.revision === event.revision &&
    entry.type === event.type
  );
}
