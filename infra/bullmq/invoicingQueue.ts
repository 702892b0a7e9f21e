import { createPostgresBackend, withBackend } from 'bullmq';
import type { Log } from '../../services/runtime.ts';
import type { InvoicingQueue } from '../../services/workers/ports.ts';
import { jobConnection, saidGoodbye } from './jobDatabase.ts';
import { CLOSE, closeJobId, INVOICING_QUEUE, SWEEP, type CloseJob } from './invoicingJobs.ts';

const { Queue } = withBackend(createPostgresBackend);

const SWEEP_EVERY_MS = 3_600_000;

/** 10 attempts ≈ 8.5 min; what fails for longer is started again by the next sweep. Failed jobs stay, to be seen. */
const RETRIES = { attempts: 10, backoff: { type: 'exponential', delay: 1_000 }, removeOnComplete: true } as const;

/** The queue of closings, in the tables of `migrateJobs`. Its methods reject while the database is away. */
export class BullInvoicingQueue implements InvoicingQueue {
  readonly #queue;

  constructor(connectionString: string, log: Log) {
    this.#queue = new Queue<CloseJob>(INVOICING_QUEUE, {
      connection: jobConnection(connectionString),
    });
    this.#queue.on('error', (error) => log.warn({ error }, 'the invoicing queue lost its database'));
  }

  async requestClose(accountId: string, period: string, early: boolean): Promise<string> {
    const data: CloseJob = { accountId, period, early };
    const jobId = closeJobId(data);
    // Adding does nothing while a job of this id exists, also a failed one.
    await this.#queue.add(CLOSE, data, { ...RETRIES, jobId });
    await this.#retryIfFailed(jobId);
    return jobId;
  }

  async retryFailed(): Promise<void> {
    await this.#queue.retryJobs({ state: 'failed' });
  }

  /** Sweeps now and then once an hour, however many processes ask for it. A sweep missed while nothing ran happens at once. */
  async scheduleSweeps(): Promise<void> {
    const opts = { ...RETRIES, removeOnFail: { count: 24 } };
    await this.#queue.upsertJobScheduler(SWEEP, { every: SWEEP_EVERY_MS }, { name: SWEEP, opts });
  }

  async close(): Promise<void> {
    await saidGoodbye(this.#queue.close());
  }

  async #retryIfFailed(jobId: string): Promise<void> {
    const job = await this.#queue.getJob(jobId);
    if (!job || (await job.getState()) !== 'failed') return;
    try {
      await job.retry('failed', { resetAttemptsMade: true });
    } catch (error) {
      // Somebody else may have started it again meanwhile, and that will do.
      if ((await job.getState()) === 'failed') throw error;
    }
  }
}
