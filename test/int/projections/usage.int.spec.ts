import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { usageProjection } from '../../../projections/usage/usage.projection.ts';
import { UsageQueries } from '../../../projections/usage/usage.queries.ts';
import type { UsageReader } from '../../../services/keys/ports.ts';
import {
  answeredCall,
  recorded,
  requestAborted,
  requestAccepted,
  requestCompleted,
  requestFailed,
  requestIdOf,
  usageCorrected,
  usageRecorded,
} from '../../support/events.ts';
import { expectTables, pagesOf, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

const row = {
  account_id: 'acct_live1',
  key_id: 'key_1',
  model: 'gpt-4o-mini',
  currency: 'USD',
  hour: '2026-11-20T09:00:00+00:00',
  requests: 1,
  failed: 0,
  tokens: 1_500,
  amount: 450_000_000,
  latency_ms_sum: 840,
  latency_count: 1,
};

describe('the usage projection', () => {
  it('counts an answered call in the hour of its usage', () =>
    expectTables(stage, usageProjection, answeredCall(1), { hourly: [row], unended: [] }));

  it('sums calls of one hour and separates hours, keys, models and currencies', () =>
    expectTables(
      stage,
      usageProjection,
      [
        ...answeredCall(1, { occurredAt: '2026-11-20T09:00:00.000Z' }),
        ...answeredCall(2, { occurredAt: '2026-11-20T09:59:59.999Z' }),
        ...answeredCall(3, { occurredAt: '2026-11-20T10:00:00.000Z' }),
        ...answeredCall(4, { keyId: 'key_2' }),
        usageRecorded({ requestId: requestIdOf(5), currency: 'CNY', amountPicos: '7' }),
      ],
      {
        hourly: [
          { ...row, currency: 'CNY', amount: 7, latency_ms_sum: 0, latency_count: 0 },
          { ...row, requests: 2, tokens: 3_000, amount: 900_000_000, latency_ms_sum: 1_680, latency_count: 2 },
          { ...row, hour: '2026-11-20T10:00:00+00:00' },
          { ...row, key_id: 'key_2' },
        ],
      },
    ));

  it('counts failures that are ours or the provider’s, and latencies of answers only', () =>
    expectTables(
      stage,
      usageProjection,
      [
        usageRecorded({ requestId: requestIdOf(1), usage: {}, amountPicos: '0', source: 'none' }),
        requestFailed({ requestId: requestIdOf(1) }),
        usageRecorded({ requestId: requestIdOf(2) }),
        requestAborted({ requestId: requestIdOf(2), reason: 'client_gone' }),
        usageRecorded({ requestId: requestIdOf(3) }),
        requestAborted({ requestId: requestIdOf(3), reason: 'relay_lost' }),
      ],
      {
        hourly: [
          { ...row, requests: 3, failed: 2, tokens: 3_000, amount: 900_000_000, latency_ms_sum: 0, latency_count: 0 },
        ],
      },
    ));

  it('counts a correction as a difference in the hour of the correction', () =>
    expectTables(
      stage,
      usageProjection,
      [...answeredCall(1), usageCorrected({ requestId: requestIdOf(1), occurredAt: '2026-11-20T12:00:00.000Z' })],
      {
        hourly: [
          row,
          {
            ...row,
            hour: '2026-11-20T12:00:00+00:00',
            requests: 0,
            tokens: -100,
            amount: -60_000_000,
            latency_ms_sum: 0,
            latency_count: 0,
          },
        ],
      },
    ));

  it('waits with the end of a call for the row that its usage names, however much stands between them', () =>
    expectTables(
      stage,
      usageProjection,
      [
        usageRecorded({ requestId: requestIdOf(1) }),
        usageRecorded({ requestId: requestIdOf(2), keyId: 'key_2' }),
        requestCompleted({ requestId: requestIdOf(1), occurredAt: '2026-11-20T11:00:00.000Z', latencyMs: 1 }),
      ],
      {
        hourly: [
          { ...row, latency_ms_sum: 1 },
          { ...row, key_id: 'key_2', latency_ms_sum: 0, latency_count: 0 },
        ],
        unended: [
          {
            request_id: requestIdOf(2),
            account_id: 'acct_live1',
            key_id: 'key_2',
            model: 'gpt-4o-mini',
            currency: 'USD',
            hour: '2026-11-20T09:00:00+00:00',
          },
        ],
      },
    ));

  it('parks an account whose call ends without usage', async () => {
    await stage.reset(usageProjection);
    const [page] = pagesOf(recorded([requestAccepted(), requestCompleted()]), 2);
    expect(page && (await stage.apply(usageProjection, page))).toEqual({ outcome: 'applied', parked: 1 });
  });
});

describe('reads of usage', () => {
  const queries = () => new UsageQueries(stage.sql);

  beforeAll(async () => {
    await stage.reset(usageProjection);
    const events = [
      ...answeredCall(1, { occurredAt: '2026-11-19T23:59:59.999Z' }),
      ...answeredCall(2, { occurredAt: '2026-11-20T00:00:00.000Z' }),
      ...answeredCall(3, { occurredAt: '2026-11-20T23:00:00.000Z', model: 'other' }),
      ...answeredCall(4, { occurredAt: '2026-11-20T23:00:00.000Z', accountId: 'acct_other' }),
    ];
    for (const page of pagesOf(recorded(events), 100)) await stage.apply(usageProjection, page);
  });

  it('serve the port of key management', () => {
    const port: Pick<UsageReader, 'dailyUsageOfKey'> = queries();
    expect(port).toBeInstanceOf(UsageQueries);
  });

  const daily = {
    day: '2026-11-20',
    model: 'gpt-4o-mini',
    currency: 'USD',
    requests: 1n,
    failed: 0n,
    tokens: 1_500n,
    amount: 450_000_000n,
    latencyMsSum: 840n,
    latencyCount: 1n,
  };

  it('sum a key’s usage per UTC day and model, of its own account only', async () => {
    expect(await queries().dailyUsageOfKey('acct_live1', 'key_1', '2026-11-01T00:00:00.000Z')).toEqual([
      { ...daily, day: '2026-11-19' },
      daily,
      { ...daily, model: 'other' },
    ]);
    expect(await queries().dailyUsageOfKey('acct_none', 'key_1', '2026-11-01T00:00:00.000Z')).toEqual([]);
  });

  it('begin with the hour in which the instant lies', async () => {
    expect(await queries().dailyUsageOfKey('acct_live1', 'key_1', '2026-11-20T23:30:00.000Z')).toEqual([
      { ...daily, model: 'other' },
    ]);
  });
});
