import type { Log, Timers } from '../../services/runtime.ts';
import type { BatchQueue } from '../../services/relay/batches/ports.ts';
import { untilAborted } from '../abortable.ts';
import { BATCH_QUEUE, batchJob, batchJobId, RUN } from './batchJobs.ts';
import { saidGoodbye, type JobBackend, type JobQueue } from './jobBackend.ts';

const ANSWER_MS = 10_000;
/** A job leaves no trace, however it ends: whether a batch has ended, its own row says. */
const NO_TRACE = { attempts: 1, removeOnComplete: true, removeOnFail: true } as const;

/** The queue of batches. The jobs are no record: whatever is lost there is asked for again. */
export class BullBatchQueue implements BatchQueue {
  readonly #queue: JobQueue;
  readonly #log: Log;
  #isClosed = false;
  #cancelLook: () => void = () => undefined;

  /** Rejects when the database of the jobs cannot be reached; a Redis may come up later. */
  static async open(jobs: JobBackend, log: Log): Promise<BullBatchQueue> {
    return new BullBatchQueue(await jobs.queue(BATCH_QUEUE), log);
  }

  private constructor(queue: JobQueue, log: Log) {
    this.#queue = queue;
    this.#log = log;
    queue.on('error', (error) => log.warn({ error }, 'the queue of batches lost the place of its jobs'));
  }

  async request(batchId: string): Promise<void> {
    const data = { batchId };
    const added = this.#queue.add(RUN, data, { ...NO_TRACE, jobId: batchJobId(data) }).then(() => true);
    if (!(await untilAborted(added, AbortSignal.timeout(ANSWER_MS)))) {
      throw new Error('the place of the jobs does not answer');
    }
  }

  /** Asks for every batch that has not ended, now and every `everyMs`, until `close`. Never throws. */
  keepRequesting(timers: Timers, unfinished: () => Promise<readonly string[]>, everyMs = 60_000): void {
    const look = async (): Promise<void> => {
      try {
        for (const id of await unfinished()) await this.request(id);
      } catch (error) {
        this.#log.warn({ error }, 'unfinished batches could not be asked for; trying again');
      }
      if (!this.#isClosed) this.#cancelLook = timers.after(everyMs, () => void look());
    };
    void look();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelLook();
    await saidGoodbye(this.#queue);
  }
}

export interface BatchWorkerOptions {
  /** Batches at the same time in this process. */
  readonly concurrency?: number;
  /** A batch whose process has not been heard of for this long is given to another, milliseconds; the same for all workers. */
  readonly lockMs?: number;
}

/** Works on batches until closed; `close` interrupts them, and another process goes on. `run` may throw: the batch is asked for again. */
export async function startBatchWorker(
  jobs: JobBackend,
  run: (batchId: string, signal: AbortSignal) => Promise<void>,
  log: Log,
  { concurrency = 2, lockMs = 30_000 }: BatchWorkerOptions = {},
): Promise<{ close(): Promise<void> }> {
  const closing = new AbortController();
  const worker = await jobs.worker(
    async ({ data }) => run(batchJob.parse(data).batchId, closing.signal),
    // Dying in the middle is harmless here; only a batch that keeps killing its process rests until it is asked for again.
    { concurrency, lockDuration: lockMs, stalledInterval: lockMs, maxStalledCount: 3 },
    BATCH_QUEUE,
  );
  worker.on('error', (error) => log.warn({ error }, 'the worker of batches lost the place of its jobs'));
  worker.on('failed', (job, error) => {
    if (!closing.signal.aborted)
      log.error({ job: job?.id, error }, 'a batch was not finished; it will be asked for again');
  });
  worker.on('stalled', (jobId) => log.warn({ job: jobId }, 'a batch is taken over from a process that died'));
  return {
    async close() {
      closing.abort();
      await saidGoodbye(worker);
    },
  };
}
