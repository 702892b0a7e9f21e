import { ErrorCode } from 'bullmq';
import type { Log, Timers } from '../../services/runtime.ts';
import { untilAborted } from '../abortable.ts';
import type { InvoicingQueue } from '../../services/workers/ports.ts';
import { CLOSE, closeJobId, SWEEP, type CloseJob } from './invoicingJobs.ts';
import { saidGoodbye, type JobBackend, type JobQueue } from './jobBackend.ts';

const SWEEP_EVERY_MS = 3_600_000;
/** BullMQ itself waits without end for a server that it has never reached. */
const ANSWER_MS = 10_000;

/** 10 attempts ≈ 8.5 min; what fails for longer is started again by the next sweep. Failed jobs stay, to be seen. */
const RETRIES = { attempts: 10, backoff: { type: 'exponential', delay: 1_000 }, removeOnComplete: true } as const;

/** The queue of closings. Its methods reject while the place of the jobs is away. */
export class BullInvoicingQueue implements InvoicingQueue {
  readonly #queue: JobQueue;
  readonly #log: Log;
  #isClosed = false;
  #cancelLook: () => void = () => undefined;

  /** Rejects when the database of the jobs cannot be reached; a Redis may come up later. */
  static async open(jobs: JobBackend, log: Log): Promise<BullInvoicingQueue> {
    return new BullInvoicingQueue(await jobs.queue(), log);
  }

  private constructor(queue: JobQueue, log: Log) {
    this.#queue = queue;
    this.#log = log;
    queue.on('error', (error) => log.warn({ error }, 'the invoicing queue lost the place of its jobs'));
  }

  async requestClose(accountId: string, period: string, early: boolean): Promise<string> {
    const data: CloseJob = { accountId, period, early };
    const jobId = closeJobId(data);
    // Adding does nothing while a job of this id exists, also a failed one.
    await answered(this.#queue.add(CLOSE, data, { ...RETRIES, jobId }));
    await answered(this.#retryIfFailed(jobId));
    return jobId;
  }

  async retryFailed(): Promise<void> {
    await answered(this.#queue.retryJobs({ state: 'failed' }));
  }

  /** Sweeps now and then once an hour, however many processes ask for it. A sweep missed while nothing ran happens at once. */
  async scheduleSweeps(): Promise<void> {
    const opts = { ...RETRIES, removeOnFail: { count: 24 } };
    await answered(this.#queue.upsertJobScheduler(SWEEP, { every: SWEEP_EVERY_MS }, { name: SWEEP, opts }));
  }

  /**
   * Arranges the sweeps as soon as that is possible, and again within a minute after the place of the jobs was wiped: then
   * a sweep at once requests what is due, and before it `whenFresh` requests what a wiped job may have left half done.
   * Until `close`; never throws.
   */
  keepSweeping(timers: Timers, whenFresh: () => Promise<unknown>, lookEveryMs = 60_000): void {
    const look = async (): Promise<void> => {
      try {
        if (!(await answered(this.#queue.getJobScheduler(SWEEP)))) {
          await whenFresh();
          await this.scheduleSweeps();
        }
      } catch (error) {
        this.#log.warn({ error }, 'sweeps could not be arranged; trying again');
      }
      if (!this.#isClosed) this.#cancelLook = timers.after(lookEveryMs, () => void look());
    };
    void look();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelLook();
    await saidGoodbye(this.#queue);
  }

  async #retryIfFailed(jobId: string): Promise<void> {
    const job = await this.#queue.getJob(jobId);
    if (!job || (await job.getState()) !== 'failed') return;
    try {
      await job.retry('failed', { resetAttemptsMade: true });
    } catch (error) {
      // Somebody else has started it again meanwhile, and that will do, even if it has failed again.
      if (!(error instanceof Error && 'code' in error && error.code === ErrorCode.JobNotInState)) throw error;
    }
  }
}

/** Throws Error when there is no answer in time; the request may still be taken down. */
async function answered<T>(work: Promise<T>): Promise<T> {
  const done = await untilAborted(
    work.then((value) => ({ value })),
    AbortSignal.timeout(ANSWER_MS),
  );
  if (!done) throw new Error('the place of the jobs does not answer');
  return done.value;
}
