import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { InvoicingHandlers, InvoicingWorker } from '../../infra/bullmq/invoicingWorker.ts';
import { startInvoicingWorker } from '../../infra/bullmq/invoicingWorker.ts';
import { CLOSE, SWEEP } from '../../infra/bullmq/invoicingJobs.ts';
import { BullInvoicingQueue } from '../../infra/bullmq/invoicingQueue.ts';
import type { JobBackend, JobQueue } from '../../infra/bullmq/jobBackend.ts';
import { PostgresEventStore } from '../../infra/postgres/eventStore.ts';
import { closePeriod } from '../../services/billing/invoicing/closePeriod.ts';
import { InvoiceRefused } from '../../services/billing/invoicing/invoiceRefused.ts';
import { verifyInvoice } from '../../services/billing/verification/verifyInvoice.ts';
import { testProcess } from '../support/childProcess.ts';
import { silentLog } from '../support/log.ts';
import { ACCOUNT, World } from '../unit/billing/world.ts';

export interface JobPlace {
  readonly jobs: JobBackend;
  /** Of the event store. */
  readonly databaseUrl: string;
  /** What a worker process is told: the database, and where the jobs are when it is not there. */
  readonly arguments: readonly string[];
  /** Ends every connection that this place has with anybody else; returns how many. */
  dropConnections(): Promise<number>;
  close(): Promise<void>;
}

/** The same for all workers: how often dead ones are looked for is a matter of the place, not of each worker. */
const LOCK_MS = 1_000;
const SOON = { timeout: 15_000, interval: 50 };
const STATES = ['waiting', 'active', 'delayed', 'prioritized', 'completed', 'failed'] as const;

/** The jobs of one kind that there are, and their states. */
export async function jobStates(queue: JobQueue, name = CLOSE): Promise<Record<string, string>> {
  const jobs = (await queue.getJobs([...STATES])).filter((job) => job.name === name);
  const states = await Promise.all(jobs.map(async (job) => [job.id ?? '', await job.getState()] as const));
  return Object.fromEntries(states.sort());
}

/** What invoicing jobs do, wherever they wait. */
export function invoicingJobsContract(make: () => Promise<JobPlace>): void {
  let place: JobPlace;
  let queue: BullInvoicingQueue;
  let watched: JobQueue;
  const workers: InvoicingWorker[] = [];
  const states = (name?: string) => jobStates(watched, name);

  beforeAll(async () => {
    place = await make();
    await Promise.all([place.jobs.prepare(silentLog), place.jobs.prepare(silentLog)]);
    queue = await BullInvoicingQueue.open(place.jobs, silentLog);
    watched = await place.jobs.queue();
    watched.on('error', () => undefined);
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close()));
  });
  afterAll(async () => {
    await Promise.all([queue.close(), watched.close()]);
    await place.close();
  });

  async function work(handlers: Partial<InvoicingHandlers>): Promise<InvoicingWorker> {
    const nothing = { close: () => Promise.resolve(null), sweep: () => Promise.resolve(null) };
    const worker = await startInvoicingWorker(place.jobs, { ...nothing, ...handlers }, silentLog, { lockMs: LOCK_MS });
    workers.push(worker);
    return worker;
  }

  describe('the invoicing queue', () => {
    it('does one job per account and period while it waits, and again when it is asked for later', async () => {
      const requests = [
        ['acct_1', '2026-11', false],
        ['acct_1', '2026-11', false],
        ['acct_1', '2026-11', true],
        ['acct_2', '2026-11', false],
      ] as const;
      const ids: string[] = [];
      for (const [accountId, period, early] of requests) ids.push(await queue.requestClose(accountId, period, early));
      expect(ids).toEqual([
        'close/acct_1/2026-11',
        'close/acct_1/2026-11',
        'close/acct_1/2026-11/early',
        'close/acct_2/2026-11',
      ]);
      const closed: unknown[] = [];
      await work({ close: (request) => Promise.resolve(closed.push(request)) });
      await vi.waitFor(async () => expect(await states()).toEqual({}), SOON);
      expect(closed).toHaveLength(3);
      expect(closed).toContainEqual({ accountId: 'acct_1', period: '2026-11', early: true });

      await queue.requestClose('acct_1', '2026-11', false);
      await vi.waitFor(() => expect(closed).toHaveLength(4), SOON);
    });

    it('tries again after an error', async () => {
      let tries = 0;
      await work({
        close: () => {
          tries += 1;
          return tries < 2 ? Promise.reject(new Error('the store is away')) : Promise.resolve(null);
        },
      });
      await queue.requestClose('acct_again', '2026-11', false);
      await vi.waitFor(async () => expect([tries, await states()]).toEqual([2, {}]), SOON);
    });

    it('does not repeat a refusal to invoice, keeps it to be seen, and starts it again when asked', async () => {
      let tries = 0;
      let refusing = true;
      await work({
        close: () => {
          tries += 1;
          return refusing ? Promise.reject(new InvoiceRefused(['the books are wrong'])) : Promise.resolve(null);
        },
      });
      await queue.requestClose('acct_parked', '2026-11', false);
      const failed = { 'close/acct_parked/2026-11': 'failed' };
      await vi.waitFor(async () => expect([tries, await states()]).toEqual([1, failed]), SOON);
      await Promise.all([
        queue.requestClose('acct_parked', '2026-11', false),
        queue.requestClose('acct_parked', '2026-11', false),
      ]);
      await vi.waitFor(async () => expect([tries >= 2, await states()]).toEqual([true, failed]), SOON);
      refusing = false;
      await queue.retryFailed();
      await vi.waitFor(async () => expect(await states()).toEqual({}), SOON);
    });

    it('lets a running job finish before it closes', async () => {
      const started = Promise.withResolvers<undefined>();
      const mayEnd = Promise.withResolvers<null>();
      const worker = await work({
        close: () => {
          started.resolve(undefined);
          return mayEnd.promise;
        },
      });
      await queue.requestClose('acct_slow', '2026-11', false);
      await started.promise;
      let closed = false;
      const closing = worker.close().then(() => {
        closed = true;
      });
      await queue.requestClose('acct_next', '2026-11', false);
      expect(closed).toBe(false);
      mayEnd.resolve(null);
      await closing;
      expect(await states()).toEqual({ 'close/acct_next/2026-11': 'waiting' });
      await work({});
      await vi.waitFor(async () => expect(await states()).toEqual({}), SOON);
    });

    it('goes on after every connection was dropped', async () => {
      const closed: string[] = [];
      await work({ close: ({ accountId }) => Promise.resolve(closed.push(accountId)) });
      await queue.requestClose('acct_before', '2026-11', false);
      await vi.waitFor(() => expect(closed).toEqual(['acct_before']), SOON);
      expect(await place.dropConnections()).toBeGreaterThanOrEqual(3);
      await vi.waitFor(() => queue.requestClose('acct_after', '2026-11', false), SOON);
      await vi.waitFor(() => expect(closed).toEqual(['acct_before', 'acct_after']), SOON);
    });

    it('sweeps at once and then hourly, once for all processes', async () => {
      const other = await BullInvoicingQueue.open(place.jobs, silentLog);
      let sweeps = 0;
      await Promise.all([queue.scheduleSweeps(), other.scheduleSweeps()]);
      await queue.scheduleSweeps();
      await work({ sweep: () => Promise.resolve((sweeps += 1)) });
      await vi.waitFor(() => expect(sweeps).toBe(1), SOON);
      await other.close();
      await vi.waitFor(async () => expect(Object.values(await states(SWEEP))).toEqual(['delayed']), SOON);
      expect(sweeps).toBe(1);
    });
  });

  describe('a worker that is killed in the middle of a closing', () => {
    it('leaves a job that another worker finishes, with one of everything', async () => {
      const store = await PostgresEventStore.open({ connectionString: place.databaseUrl, log: silentLog });
      const world = await World.create({}, store);
      await world.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 1_000_000 } });
      await world.use(2, { at: '2026-11-04T10:00:00.000Z', usage: { uncachedInput: 77 }, model: 'llama2' });
      await queue.requestClose(ACCOUNT, '2026-11', false);

      const dying = testProcess('../int/billing/dyingWorker.ts', ...place.arguments);
      expect(await dying.line()).toBe('about to finalize');
      await dying.kill();
      expect(await world.eventsOf('InvoiceFinalized')).toEqual([]);
      expect(await world.eventsOf('InvoiceNumberAllocated')).toHaveLength(1);

      await work({
        close: async (request) => {
          const outcome = await closePeriod(world.closing('2026-12-07T00:00:00.000Z'), request);
          return { closed: outcome.ok };
        },
      });
      await vi.waitFor(async () => expect(await states()).toEqual({}), SOON);
      const issued = await world.eventsOf('InvoiceFinalized');
      expect(issued.map(({ number, currency }) => [number, currency])).toEqual([
        ['INV-2026-000001', 'CNY'],
        ['INV-2026-000002', 'USD'],
      ]);
      expect(await world.eventsOf('PeriodClosed')).toMatchObject([{ occurredAt: '2026-12-01T00:00:00.000Z' }]);
      expect(await world.eventsOf('InvoiceDrafted')).toHaveLength(2);
      for (const { invoiceId } of issued) {
        expect(await verifyInvoice(store, invoiceId)).toMatchObject({ equal: true });
      }
      await store.close();
    });
  });
}
