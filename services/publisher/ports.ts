/** How far the log is published: everything up to `position`. */
export interface Progress {
  readonly position: bigint;
  /** Of each partition, in order, the position of the last event in it; 0 for none. */
  readonly lastPositions: readonly bigint[];
}

/** The progress of one topic that outlives publishers. Its methods throw StoreUnavailable. */
export interface CheckpointStore {
  /**
   * Begins a term, which ends every earlier one, and gives the progress so far. Throws PartitionsChanged when that was
   * made for another number of partitions.
   */
  begin(partitions: number): Promise<{ readonly term: bigint; readonly progress: Progress }>;
  /** Moves from one position to a later one. Repeating it is safe. False when another term has begun: nothing was moved. */
  advance(term: bigint, from: bigint, to: Progress): Promise<boolean>;
}

/** What was published so far is for another number of partitions, which cannot be gone on with. */
export class PartitionsChanged extends Error {
  override readonly name = 'PartitionsChanged';
}

/** Makes one process the leader among many. */
export interface LeaderLock {
  /** Waits until this process leads, however long; null when the signal aborts before. Never throws. */
  acquire(signal: AbortSignal): Promise<Leadership | null>;
}

export interface Leadership {
  /** Aborts when the leadership was lost, sooner or later after another may lead: what must not happen twice needs a term. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}
