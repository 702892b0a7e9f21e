import type { EncodedEvent } from '../../../events/codec.ts';
import type { Mode } from '../../../events/envelope.ts';
import type { UsageSource, UsageVector } from '../../../events/meters.ts';
import type { Picos } from '../../../events/money.ts';
import type { Bounds } from '../call.ts';
import type { PricedModel } from '../ports.ts';

export const ENDPOINTS = [
  '/v1/chat/completions',
  '/v1/embeddings',
  '/v1/completions',
  '/v1/responses',
  '/v1/moderations',
] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** How a batch ended. What had been done until then is billed and delivered in each case. */
export type BatchEnding = 'completed' | 'cancelled' | 'expired';
export type BatchStatus = 'in_progress' | 'cancelling' | 'finalizing' | BatchEnding;

/** A batch as it was taken in; none of this changes. Instants are epoch milliseconds. */
export interface NewBatch {
  readonly id: string;
  /** Its hold, its stream and its settlement have this id. */
  readonly requestId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly mode: Mode;
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly inputFileId: string;
  /** Our own copy of the input, which the client cannot delete. */
  readonly copyId: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** How long its files are kept, milliseconds. */
  readonly filesKeptMs: number;
  readonly lines: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** The price at which it was held. */
  readonly priced: PricedModel;
  readonly bounds: Bounds;
  readonly accepted: EncodedEvent;
}

export interface Batch extends NewBatch {
  readonly status: BatchStatus;
  readonly cancellingAt: number | null;
  readonly finalizingAt: number | null;
  readonly endedAt: number | null;
  /** How it ends, from `finalizing` on. */
  readonly ending: BatchEnding | null;
  /** Lines that have ended so far. */
  readonly completed: number;
  readonly failed: number;
  /** What is billed; null until it is finalized. */
  readonly usage: UsageVector | null;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
}

/** What a line came to. */
export interface LineResult {
  /** From 0. */
  readonly line: number;
  readonly succeeded: boolean;
  /** Its line of the output or error file, without a line feed. */
  readonly text: string;
  readonly usage: UsageVector;
  readonly source: UsageSource;
  readonly channel: string | null;
  /** What it cost the operator, where that is known. */
  readonly costPicos: Picos | null;
}

/** The results of a batch, added up. */
export interface BatchTotals {
  readonly usage: UsageVector;
  readonly sources: readonly UsageSource[];
  /** Per channel that answered; `costPicos` is null unless it is known for every one of its lines. */
  readonly channels: readonly { readonly channel: string; readonly costPicos: Picos | null }[];
  readonly succeeded: number;
  readonly failed: number;
  /** Bytes of the output file. */
  readonly outputBytes: number;
}

/** Batches and the results of their lines. Every method may throw StoreUnavailable. */
export interface BatchRecords {
  /**
   * Takes a batch down and takes over its hold, until `holdUntil` and for no process in particular, in one transaction:
   * the hold has a batch or it is as short-lived as it was taken. False, and nothing, when the hold is gone.
   */
  create(batch: NewBatch, holdUntil: number): Promise<boolean>;
  /**
   * Whether a `create` that failed has written the batch down after all. Waits for one that may still come to pass, so
   * that false stays true.
   */
  wasCreated(batch: NewBatch): Promise<boolean>;
  /** Whether a request that took a hold has no batch and cannot get one any more, for its hold has ended without it. */
  cameToNothing(requestId: string): Promise<boolean>;
  find(id: string): Promise<Batch | null>;
  findOfRequest(accountId: string, requestId: string): Promise<Batch | null>;
  /** Newest first, after the batch that `after` names. */
  list(accountId: string, after: string | null, limit: number): Promise<readonly Batch[]>;
  /** Ids of batches that have not ended. */
  unfinished(): Promise<readonly string[]>;
  /** Only one that is in progress; for any other nothing happens. */
  cancel(id: string, now: number): Promise<void>;
  /** Keeps a result, durably; the first one of a line stays. Returns the status of the batch: from `finalizing` on, nothing is kept. */
  keep(id: string, result: LineResult): Promise<BatchStatus>;
  /** Lines that have a result, and whether it is a success. */
  linesDone(id: string): Promise<ReadonlyMap<number, boolean>>;
  /** No further result is kept after this. The first call decides how the batch ends. */
  finalize(id: string, ending: BatchEnding, now: number): Promise<void>;
  totals(id: string): Promise<BatchTotals>;
  /** Keeps the settlement and what it bills. The first one stays; returns it. */
  settle(id: string, events: readonly EncodedEvent[], usage: UsageVector): Promise<readonly EncodedEvent[]>;
  /** Texts of results in the order of their lines, those that succeeded or the others. */
  texts(id: string, succeeded: boolean): AsyncIterable<{ readonly line: number; readonly text: string }>;
  /** States that a finalized batch has ended, and forgets the results, which lie in its files. */
  end(
    id: string,
    files: { readonly output: string | null; readonly error: string | null },
    counts: { readonly completed: number; readonly failed: number },
    now: number,
  ): Promise<void>;
}

/** Asks for a batch to be worked on. At least once: it may be worked on twice, and that does no harm. */
export interface BatchQueue {
  /** Rejects when the request could not be taken down; batches are asked for again and again until they have ended. */
  request(batchId: string): Promise<void>;
}
