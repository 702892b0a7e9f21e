import { UnrecoverableError } from 'bullmq';
import { InvoiceRefused } from '../../services/billing/invoicing/invoiceRefused.ts';
import type { Log } from '../../services/runtime.ts';
import { CLOSE, closeJob, SWEEP, type CloseJob } from './invoicingJobs.ts';
import { saidGoodbye, type JobBackend } from './jobBackend.ts';

/** What the jobs do. Results are kept as JSON, so they hold no bigint. */
export interface InvoicingHandlers {
  /** Throws InvoiceRefused when no retry can help; any other error is retried. */
  close(request: CloseJob): Promise<unknown>;
  sweep(): Promise<unknown>;
}

export interface InvoicingWorker {
  /** Takes no further job and resolves when the running ones are done, or after 3 s: another process then takes them over. */
  close(): Promise<void>;
}

export interface WorkerOptions {
  /** Closings at the same time in this process; of different accounts, as a rule. */
  readonly concurrency?: number;
  /** A job whose process has not been heard of for this long is given to another, milliseconds; the same for all workers. */
  readonly lockMs?: number;
}

/** Works on invoicing jobs until closed. A job of a process that died is taken over after at most three `lockMs`. */
export async function startInvoicingWorker(
  jobs: JobBackend,
  handlers: InvoicingHandlers,
  log: Log,
  { concurrency = 2, lockMs = 30_000 }: WorkerOptions = {},
): Promise<InvoicingWorker> {
  const worker = await jobs.worker((job) => asJob(() => run(job.name, job.data, handlers)), {
    concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs,
    // Dying in the middle is harmless here; only a job that keeps killing its process is given up.
    maxStalledCount: 10,
  });
  worker.on('error', (error) => log.warn({ error }, 'the invoicing worker lost the place of its jobs'));
  worker.on('failed', (job, error) => log.error({ job: job?.id, error }, 'an invoicing job failed'));
  worker.on('stalled', (jobId) => log.warn({ job: jobId }, 'an invoicing job is taken over from a process that died'));
  return {
    async close() {
      await saidGoodbye(worker);
    },
  };
}

async function run(name: string, data: unknown, handlers: InvoicingHandlers): Promise<unknown> {
  switch (name) {
    case CLOSE:
      return handlers.close(closeJob.parse(data));
    case SWEEP:
      return handlers.sweep();
    default:
      throw new UnrecoverableError(`no such job: ${name}`);
  }
}

/** Translates what must not be retried. */
async function asJob<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InvoiceRefused)) throw error;
    throw Object.assign(new UnrecoverableError(error.message), { cause: error });
  }
}
