import type { EncodedEvent } from './codec.ts';

/**
 * An event with its place: `revision` in its stream (from 0, without gaps), `position` in the whole log (above 0). Positions
 * rise strictly along the log, and no event ever appears between two that were read as neighbours; but only some stores
 * count 1, 2, 3, …, so positions are compared, never subtracted to count events.
 */
export interface RecordedEvent extends EncodedEvent {
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
}

/** Our claim about the stream: it does not exist, or this is its last revision. There is no "any". */
export type ExpectedRevision = 'no_stream' | bigint;

export interface Append {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  /** At least one; they become durable together or not at all. */
  readonly events: readonly EncodedEvent[];
}

/** `revision` and `position` are those of the last event of the append. */
export type AppendResult =
  | { readonly outcome: 'appended'; readonly revision: bigint; readonly position: bigint }
  /** These very events already stand at these revisions: an earlier try had succeeded. */
  | { readonly outcome: 'repeated'; readonly revision: bigint; readonly position: bigint }
  | { readonly outcome: 'conflict'; readonly actual: ExpectedRevision }
  /** These ids already stand there with another body. Nothing was written; somebody must look. */
  | { readonly outcome: 'id_reused'; readonly eventId: string };

/** The store did not answer in time or cannot be reached. An append may or may not have happened: repeat it as it was. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

export interface Page {
  readonly events: readonly RecordedEvent[];
  /** Everything up to here was considered, also what a filter left out. Continue after it. It need not be that of an event. */
  readonly position: bigint;
}

/**
 * The record. The adapter owns order, batching and reconnecting of subscriptions; it does not retry appends.
 * Every method may throw StoreUnavailable.
 */
export interface EventStore {
  /** Positions are 1, 2, 3, …, so that one which is not there was removed. */
  readonly isContiguous?: true;
  append(append: Append): Promise<AppendResult>;
  /** Events of one stream, forwards from `from` or backwards from the end (or from `from`), at most `limit`. Empty when there is no such stream. */
  readStream(
    stream: string,
    options: { readonly direction: 'forwards' | 'backwards'; readonly from?: bigint; readonly limit: number },
  ): Promise<readonly RecordedEvent[]>;
  /** Events after a position, in order; `categories` keeps only streams of these. */
  readAll(options: {
    readonly after: bigint;
    readonly limit: number;
    readonly categories?: readonly string[];
  }): Promise<Page>;
  /**
   * Pages after a position, without end, until the signal aborts. While the store cannot be reached it waits and
   * continues where it was; it never skips and never repeats. A page may be empty when only the position moved.
   */
  subscribe(options: {
    readonly after: bigint;
    readonly limit: number;
    readonly categories?: readonly string[];
    readonly signal: AbortSignal;
  }): AsyncIterable<Page>;
  /** The position of the newest event, 0 when there is none. */
  head(): Promise<bigint>;
  close(): Promise<void>;
}
