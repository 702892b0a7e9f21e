import { describe, expect, it } from 'vitest';
import type { AccountBooks, AccountList } from '../../../services/billing/ports.ts';
import { InvoiceRefused } from '../../../services/billing/invoicing/invoiceRefused.ts';
import { closeRequestedPeriod } from '../../../services/workers/closeRequestedPeriod.ts';
import { duePeriod, requestDuePeriods, requestEndedPeriods } from '../../../services/workers/requestDuePeriods.ts';
import type { InvoicingQueue } from '../../../services/workers/ports.ts';
import { silentLog } from '../../support/log.ts';
import { ACCOUNT, atTime, World } from './world.ts';

const opened = '2026-03-15T00:00:00.000Z';
const books = (change: Partial<AccountBooks> = {}): AccountBooks => ({
  accountId: ACCOUNT,
  zone: 'UTC',
  openedAt: opened,
  lastClosed: null,
  ...change,
});

describe('the period that is due', () => {
  it.each([
    ['the newest that ended', {}, '2026-11-20T00:00:00.000Z', '2026-10'],
    ['none while the first month runs', {}, '2026-03-31T23:59:59.999Z', null],
    ['the first as soon as it ended', {}, '2026-04-01T00:00:00.000Z', '2026-03'],
    ['none when the newest is closed', { lastClosed: '2026-10' }, '2026-11-20T00:00:00.000Z', null],
    ['none when the running month was closed early', { lastClosed: '2026-11' }, '2026-11-20T00:00:00.000Z', null],
    ['the newest when older ones are closed', { lastClosed: '2026-08' }, '2026-11-20T00:00:00.000Z', '2026-10'],
    ['that of the zone', { zone: 'Asia/Shanghai' }, '2026-10-31T16:00:00.000Z', '2026-10'],
    ['over the turn of a year', {}, '2027-01-01T00:00:00.000Z', '2026-12'],
  ])('is %s', (_name, change, now, expected) => {
    expect(duePeriod(books(change), Date.parse(now))).toBe(expected);
  });
});

describe('a sweep', () => {
  function given() {
    const calls: string[] = [];
    const queue: InvoicingQueue = {
      requestClose: (...request) => Promise.resolve(String(calls.push(request.join(' ')))),
      retryFailed: () => Promise.resolve(void calls.push('retry failed')),
    };
    const accounts: AccountList = {
      async *accounts() {
        yield await Promise.resolve([books(), books({ accountId: 'acct_2', lastClosed: '2026-10' })]);
        yield [books({ accountId: 'acct_3', lastClosed: '2026-09' })];
      },
    };
    return { calls, ports: { accounts, queue, ...atTime('2026-11-20T00:00:00.000Z') } };
  }

  it('starts failed jobs again and requests what is due of every account', async () => {
    const { calls, ports } = given();
    expect(await requestDuePeriods(ports)).toBe(2);
    expect(calls).toEqual(['retry failed', `${ACCOUNT} 2026-10 false`, 'acct_3 2026-10 false']);
  });

  it('requests closed periods too when jobs may have been lost between closing and invoicing', async () => {
    const { calls, ports } = given();
    expect(await requestEndedPeriods(ports)).toBe(3);
    expect(calls).toEqual(['retry failed', `${ACCOUNT} 2026-10 false`, 'acct_2 2026-10 false', 'acct_3 2026-10 false']);
  });
});

describe('a closing job', () => {
  it('reports the numbers it issued', async () => {
    const world = await World.create();
    await world.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 9 } });
    const ports = world.closing('2026-12-01T00:00:00.000Z');
    const report = await closeRequestedPeriod(ports, silentLog, { accountId: ACCOUNT, period: '2026-11' });
    expect(report).toEqual({ closed: '2026-11', numbers: ['INV-2026-000001'] });
  });

  it('answers a refusal instead of failing', async () => {
    const world = await World.create();
    const ports = world.closing('2026-11-20T00:00:00.000Z');
    const report = await closeRequestedPeriod(ports, silentLog, { accountId: ACCOUNT, period: '2026-11' });
    expect(report).toEqual({ refused: 'not_over', period: '2026-11' });
  });

  it('tells the operator when an account is parked', async () => {
    const world = await World.create();
    const ports = world.closing('2026-12-01T00:00:00.000Z');
    const readModels = { ...ports.readModels, isParked: () => Promise.resolve(true) };
    const errors: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void errors.push(fields) };
    const job = closeRequestedPeriod({ ...ports, readModels }, log, { accountId: ACCOUNT, period: '2026-11' });
    await expect(job).rejects.toThrow(InvoiceRefused);
    expect(errors).toEqual([
      {
        accountId: ACCOUNT,
        period: '2026-11',
        problems: [`the usage of ${ACCOUNT} is incomplete: its projection is parked`],
      },
    ]);
  });
});
