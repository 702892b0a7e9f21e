import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { migrateJobs } from '../../../infra/bullmq/jobDatabase.ts';
import { BullInvoicingQueue } from '../../../infra/bullmq/invoicingQueue.ts';
import {
  startInvoicingWorker,
  type InvoicingHandlers,
  type InvoicingWorker,
} from '../../../infra/bullmq/invoicingWorker.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { closePeriod } from '../../../services/billing/invoicing/closePeriod.ts';
import { InvoiceRefused } from '../../../services/billing/invoicing/invoiceRefused.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { testProcess } from '../../support/childProcess.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { ACCOUNT, World } from '../../unit/billing/world.ts';

const SOON = { timeout: 15_000, interval: 50 };
let database: TestDatabase;
let queue: BullInvoicingQueue;
const workers: InvoicingWorker[] = [];

beforeAll(async () => {
  database = await testDatabase();
  await Promise.all([migrateJobs(database.url), migrateJobs(database.url)]);
  queue = new BullInvoicingQueue(database.url, silentLog);
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.close()));
});

afterAll(async () => {
  await queue.close();
  await database.close();
});

function work(handlers: Partial<InvoicingHandlers>, lockMs = 30_000): InvoicingWorker {
  const nothing = { close: () => Promise.resolve(null), sweep: () => Promise.resolve(null) };
  const worker = startInvoicingWorker(database.url, { ...nothing, ...handlers }, silentLog, { lockMs });
  workers.push(worker);
  return worker;
}

async function jobStates(): Promise<Record<string, string>> {
  const { rows } = await database.pool.query<{ id: string; state: string }>(
    'SELECT id, state FROM bullmq.job ORDER BY id',
  );
  return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
}

describe('the invoicing queue', () => {
  it('keeps its tables in a schema of their own', async () => {
    const { rows } = await database.pool.query<{ schema: string }>(
      `SELECT DISTINCT table_schema AS schema FROM information_schema.tables WHERE table_name IN ('job', 'migration')`,
    );
    expect(rows).toEqual([{ schema: 'bullmq' }]);
  });

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
    work({ close: (request) => Promise.resolve(closed.push(request)) });
    await vi.waitFor(async () => expect(await jobStates()).toEqual({}), SOON);
    expect(closed).toHaveLength(3);
    expect(closed).toContainEqual({ accountId: 'acct_1', period: '2026-11', early: true });

    await queue.requestClose('acct_1', '2026-11', false);
    await vi.waitFor(() => expect(closed).toHaveLength(4), SOON);
  });

  it('tries again after an error', async () => {
    let tries = 0;
    work({
      close: () => {
        tries += 1;
        return tries < 2 ? Promise.reject(new Error('the store is away')) : Promise.resolve(null);
      },
    });
    await queue.requestClose('acct_again', '2026-11', false);
    await vi.waitFor(async () => expect([tries, await jobStates()]).toEqual([2, {}]), SOON);
  });

  it('does not repeat a refusal to invoice, keeps it to be seen, and starts it again when asked', async () => {
    let tries = 0;
    let refusing = true;
    work({
      close: () => {
        tries += 1;
        return refusing ? Promise.reject(new InvoiceRefused(['the books are wrong'])) : Promise.resolve(null);
      },
    });
    await queue.requestClose('acct_parked', '2026-11', false);
    const failed = { 'close/acct_parked/2026-11': 'failed' };
    await vi.waitFor(async () => expect([tries, await jobStates()]).toEqual([1, failed]), SOON);
    await Promise.all([
      queue.requestClose('acct_parked', '2026-11', false),
      queue.requestClose('acct_parked', '2026-11', false),
    ]);
    await vi.waitFor(async () => expect([tries >= 2, await jobStates()]).toEqual([true, failed]), SOON);
    refusing = false;
    await queue.retryFailed();
    await vi.waitFor(async () => expect(await jobStates()).toEqual({}), SOON);
  });

  it('lets a running job finish before it closes', async () => {
    const started = Promise.withResolvers<undefined>();
    const mayEnd = Promise.withResolvers<null>();
    const worker = work({
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
    expect(await jobStates()).toEqual({ 'close/acct_next/2026-11': 'waiting' });
    work({});
    await vi.waitFor(async () => expect(await jobStates()).toEqual({}), SOON);
  });

  it('goes on after the database dropped every connection', async () => {
    const closed: string[] = [];
    work({ close: ({ accountId }) => Promise.resolve(closed.push(accountId)) });
    await queue.requestClose('acct_before', '2026-11', false);
    await vi.waitFor(() => expect(closed).toEqual(['acct_before']), SOON);
    const { rowCount } = await database.pool.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    expect(rowCount).toBeGreaterThanOrEqual(3);
    await vi.waitFor(() => queue.requestClose('acct_after', '2026-11', false), SOON);
    await vi.waitFor(() => expect(closed).toEqual(['acct_before', 'acct_after']), SOON);
  });

  it('sweeps at once and then hourly, once for all processes', async () => {
    const other = new BullInvoicingQueue(database.url, silentLog);
    let sweeps = 0;
    await Promise.all([queue.scheduleSweeps(), other.scheduleSweeps()]);
    await queue.scheduleSweeps();
    work({ sweep: () => Promise.resolve((sweeps += 1)) });
    await vi.waitFor(() => expect(sweeps).toBe(1), SOON);
    await other.close();
    await vi.waitFor(async () => {
      const { rows } = await database.pool.query<{ state: string; soon: boolean }>(
        `SELECT state, delay_ms <= 3600000 AS soon FROM bullmq.job WHERE name = 'sweep'`,
      );
      expect(rows).toEqual([{ state: 'delayed', soon: true }]);
    }, SOON);
    expect(sweeps).toBe(1);
  });
});

describe('a worker that is killed in the middle of a closing', () => {
  it('leaves a job that another worker finishes, with one of everything', async () => {
    const store = await PostgresEventStore.open({ connectionString: database.url, log: silentLog });
    const world = await World.create({}, store);
    await world.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 1_000_000 } });
    await world.use(2, { at: '2026-11-04T10:00:00.000Z', usage: { uncachedInput: 77 }, model: 'llama2' });
    await queue.requestClose(ACCOUNT, '2026-11', false);

    const dying = testProcess('../int/billing/dyingWorker.ts', database.url);
    expect(await dying.line()).toBe('about to finalize');
    await dying.kill();
    expect(await world.eventsOf('InvoiceFinalized')).toEqual([]);
    expect(await world.eventsOf('InvoiceNumberAllocated')).toHaveLength(1);

    work(
      {
        close: async (request) => {
          const outcome = await closePeriod(world.closing('2026-12-07T00:00:00.000Z'), request);
          return { closed: outcome.ok };
        },
      },
      1_000,
    );
    await vi.waitFor(
      async () => expect(Object.keys(await jobStates()).filter((id) => id.startsWith('close/'))).toEqual([]),
      SOON,
    );
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
