import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BullInvoicingQueue } from '../../../infra/bullmq/invoicingQueue.ts';
import { startInvoicingWorker, type InvoicingWorker } from '../../../infra/bullmq/invoicingWorker.ts';
import { redisJobs } from '../../../infra/bullmq/jobBackend.ts';
import type { RedisEngine } from '../../../infra/engines/redis.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { closePeriod } from '../../../services/billing/invoicing/closePeriod.ts';
import type { AccountBooks } from '../../../services/billing/ports.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { requestDuePeriods } from '../../../services/workers/requestDuePeriods.ts';
import { describeWith, ownRedis, type Owned } from '../../support/engines.ts';
import { silentLog } from '../../support/log.ts';
import { ACCOUNT, atTime, World } from '../../unit/billing/world.ts';

const ACCOUNTS = [ACCOUNT, ...Array.from({ length: 7 }, (_, i) => `acct_more${String(i)}`)];
const NOW = '2026-12-03T00:00:00.000Z';
const PERIOD = '2026-11';
const { timers } = systemRuntime(silentLog);
const SOON = { timeout: 30_000, interval: 50 };

/** Eight accounts with calls in two currencies and nothing closed. */
async function accountsWithCalls(): Promise<World> {
  const world = await World.create();
  for (const [i, accountId] of ACCOUNTS.entries()) {
    if (accountId !== ACCOUNT) await world.openAccount(accountId);
    const usage = { uncachedInput: 1_000_000 + i };
    await world.use(`${accountId} 1`, { accountId, at: '2026-11-03T10:00:00.000Z', usage });
    await world.use(`${accountId} 2`, { accountId, at: '2026-11-04T10:00:00.000Z', usage, model: 'llama2' });
  }
  return world;
}

/** What every account is to pay, whatever the order of closing. */
async function invoiced(world: World): Promise<readonly (readonly string[])[]> {
  const drafts = new Map((await world.eventsOf('InvoiceDrafted')).map((draft) => [draft.invoiceId, draft]));
  const issued = await world.eventsOf('InvoiceFinalized');
  return issued
    .map(({ accountId, invoiceId, currency, total }) => {
      const draft = drafts.get(invoiceId);
      const lines =
        draft?.lines.map(({ model, quantity, exactPicos }) => [model, quantity, exactPicos].join(' ')) ?? [];
      return [accountId, draft?.period ?? '', currency, total, ...lines];
    })
    .sort();
}

/** The accounts as the read model of invoices knows them. */
async function* books(world: World): AsyncGenerator<readonly AccountBooks[]> {
  const closed = new Map((await world.eventsOf('PeriodClosed')).map(({ accountId, period }) => [accountId, period]));
  const opened = await world.eventsOf('AccountOpened');
  yield opened.map(({ accountId, zone, occurredAt }) => ({
    accountId,
    zone,
    openedAt: occurredAt,
    lastClosed: closed.get(accountId) ?? null,
  }));
}

describeWith('redis', 'Closings while the Redis of the jobs fails', () => {
  let server: Owned<RedisEngine>;
  let queue: BullInvoicingQueue;
  let worker: InvoicingWorker;
  let world: World;
  let expected: readonly (readonly string[])[];

  beforeEach(async () => {
    const undisturbed = await accountsWithCalls();
    for (const accountId of ACCOUNTS)
      await closePeriod(undisturbed.closing(NOW), { accountId, period: PERIOD, early: false });
    expected = await invoiced(undisturbed);
    world = await accountsWithCalls();
  });
  afterEach(async () => {
    await Promise.all([queue.close(), worker.close()]);
    await server.dispose();
  });

  /** Runs all closings, with a fault in the middle of the third. */
  async function closeAll(args: readonly string[], fault: () => Promise<void>): Promise<void> {
    server = await ownRedis(args);
    const jobs = redisJobs(server.url);
    await jobs.prepare(silentLog);
    queue = await BullInvoicingQueue.open(jobs, silentLog);
    let started = 0;
    worker = await startInvoicingWorker(
      jobs,
      {
        async close(request) {
          started += 1;
          if (started === 3) await fault();
          await closePeriod(world.closing(NOW), request);
          return null;
        },
        sweep: () => requestDuePeriods({ accounts: { accounts: () => books(world) }, queue, ...atTime(NOW) }),
      },
      silentLog,
      { lockMs: 1_000 },
    );
    queue.keepSweeping(timers, () => Promise.resolve(), 100);
    // The last that happens to a period is that its second invoice is issued.
    await vi.waitFor(async () => expect(await world.eventsOf('InvoiceFinalized')).toHaveLength(expected.length), SOON);
    expect(started).toBeGreaterThanOrEqual(ACCOUNTS.length);
  }

  async function expectTheSameInvoices(): Promise<void> {
    expect(expected).toHaveLength(2 * ACCOUNTS.length);
    expect(await invoiced(world)).toEqual(expected);
    expect(await world.eventsOf('InvoiceDrafted')).toHaveLength(expected.length);
    expect(await world.eventsOf('PeriodClosed')).toHaveLength(ACCOUNTS.length);
    for (const { invoiceId } of await world.eventsOf('InvoiceFinalized')) {
      expect(await verifyInvoice(world.store, invoiceId)).toMatchObject({ equal: true });
    }
  }

  it('happen all the same, once each and for the same amounts, when it is flushed', async () => {
    await closeAll([], async () => {
      const redis = new Redis(server.url);
      await redis.flushall();
      redis.disconnect();
    });
    await expectTheSameInvoices();
  });

  it('happen all the same when it is killed and starts again with what it had', async () => {
    await closeAll([], async () => {
      await server.kill();
      await server.restart();
    });
    await expectTheSameInvoices();
  });

  it('happen all the same when it is killed and starts again empty', async () => {
    await closeAll(['--appendonly', 'no'], async () => {
      await server.kill();
      await server.restart();
    });
    await expectTheSameInvoices();
  });

  it('happen all the same when it stands still for longer than a lock lasts', async () => {
    await closeAll([], async () => {
      await server.suspend();
      timers.after(3_000, () => void server.resume());
    });
    await expectTheSameInvoices();
  });

  it('are asked for in vain while it is away, and again when it is back', async () => {
    await closeAll([], () => Promise.resolve());
    await server.kill();
    await world.openAccount('acct_late');
    await world.use('late', { accountId: 'acct_late', at: '2026-11-05T10:00:00.000Z', usage: { uncachedInput: 5 } });
    await expect(queue.requestClose('acct_late', PERIOD, false)).rejects.toThrow();
    await server.restart();
    await vi.waitFor(() => queue.requestClose('acct_late', PERIOD, false), SOON);
    await vi.waitFor(
      async () => expect(await world.eventsOf('InvoiceFinalized')).toHaveLength(expected.length + 1),
      SOON,
    );
  });

  it('are arranged for when it comes up later than the worker', async () => {
    await closeAll([], () => Promise.resolve());
    await Promise.all([queue.close(), worker.close()]);
    await server.kill();
    const jobs = redisJobs(server.url);
    await jobs.prepare(silentLog);
    queue = await BullInvoicingQueue.open(jobs, silentLog);
    let sweeps = 0;
    const handlers = { close: () => Promise.resolve(null), sweep: () => Promise.resolve((sweeps += 1)) };
    worker = await startInvoicingWorker(jobs, handlers, silentLog);
    queue.keepSweeping(timers, () => Promise.resolve(), 100);
    const redis = new Redis(server.url, { lazyConnect: true });
    await server.restart();
    await redis.flushall();
    redis.disconnect();
    await vi.waitFor(() => expect(sweeps).toBeGreaterThanOrEqual(1), SOON);
  });

  it('do not keep a process from closing while it is away', async () => {
    await closeAll([], () => Promise.resolve());
    await server.kill();
    const since = performance.now();
    await Promise.all([queue.close(), worker.close()]);
    expect(performance.now() - since).toBeLessThan(5_000);
  });
});
