import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestsProjection } from '../../../projections/requests/requests.projection.ts';
import { RequestQueries } from '../../../projections/requests/requests.queries.ts';
import {
  answeredCall,
  holdExpired,
  PRICE_VERSION,
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

const requestId = requestIdOf('example');

const accepted = {
  request_id: requestId,
  account_id: 'acct_live1',
  key_id: 'key_1',
  mode: 'live',
  model: 'gpt-4o-mini',
  route: '/v1/chat/completions',
  streamed: false,
  channel: null,
  status: 'accepted',
  source: null,
  policy: null,
  usage: null,
  tokens: 0,
  amount: 0,
  currency: 'USD',
  price_version: PRICE_VERSION,
  code: null,
  http_status: null,
  finish_reason: null,
  attempts: null,
  accepted_at: '2026-11-20T09:30:00+00:00',
  ended_at: null,
  latency_ms: null,
  first_byte_ms: null,
  held_tokens: 1_000,
  held_amount: 600_000_000,
  position: 1,
};

const settled = {
  ...accepted,
  channel: 'primary',
  source: 'reported',
  usage: { uncachedInput: 1_000, outputText: 500 },
  tokens: 1_500,
  amount: 450_000_000,
};

const ended = {
  ...settled,
  attempts: requestCompleted().attempts,
  ended_at: '2026-11-20T09:30:00+00:00',
  latency_ms: 840,
  first_byte_ms: 120,
};

const fact = {
  event_id: usageRecorded().eventId,
  part: 0,
  position: 2,
  request_id: requestId,
  account_id: 'acct_live1',
  key_id: 'key_1',
  model: 'gpt-4o-mini',
  mode: 'live',
  price_version: PRICE_VERSION,
  currency: 'USD',
  usage: { uncachedInput: 1_000, outputText: 500 },
  amount: 450_000_000,
  occurred_at: '2026-11-20T09:30:00+00:00',
};

describe('the requests projection', () => {
  it('logs an accepted call with what was held', () =>
    expectTables(stage, requestsProjection, [requestAccepted()], { log: [accepted], facts: [] }));

  it('logs a completed call with usage, cost and times', () =>
    expectTables(stage, requestsProjection, [requestAccepted(), usageRecorded(), requestCompleted()], {
      log: [{ ...ended, status: 'completed', finish_reason: 'stop' }],
      facts: [fact],
    }));

  it('logs why a call failed', () =>
    expectTables(
      stage,
      requestsProjection,
      [
        requestAccepted(),
        usageRecorded({ usage: {}, amountPicos: '0', source: 'none', channel: null }),
        requestFailed(),
      ],
      {
        log: [
          {
            ...ended,
            status: 'failed',
            code: 'bad_gateway',
            http_status: 502,
            channel: null,
            source: 'none',
            usage: {},
            tokens: 0,
            amount: 0,
          },
        ],
        facts: [{ ...fact, usage: {}, amount: 0 }],
      },
    ));

  it('logs a call that was lost and reaped, and the better figures that came later', async () => {
    const lost = [
      requestAccepted(),
      holdExpired(),
      usageRecorded({ usage: {}, amountPicos: '0', source: 'unknown', policy: 'unknown_waived', channel: null }),
      requestAborted({ reason: 'relay_lost', policy: null, attempts: [], firstByteMs: null }),
    ];
    const aborted = {
      ...ended,
      status: 'aborted',
      code: 'relay_lost',
      attempts: [],
      first_byte_ms: null,
      channel: null,
    };
    await expectTables(stage, requestsProjection, lost, {
      log: [{ ...aborted, source: 'unknown', policy: 'unknown_waived', usage: {}, tokens: 0, amount: 0 }],
    });
    const correction = usageCorrected({ previous: { usage: {}, source: 'unknown', amountPicos: '0' } });
    await expectTables(stage, requestsProjection, [...lost, correction], {
      log: [{ ...aborted, usage: { uncachedInput: 1_000, outputText: 400 }, tokens: 1_400, amount: 390_000_000 }],
    });
  });

  it('logs a call that was found lost after a month', () =>
    expectTables(
      stage,
      requestsProjection,
      [requestAccepted(), usageRecorded(), requestAborted({ reason: 'relay_lost', latencyMs: 31 * 86_400_000 })],
      { log: [{ ...ended, status: 'aborted', code: 'relay_lost', latency_ms: 2_678_400_000 }] },
    ));

  it('keeps the recorded channel when figures are corrected', () =>
    expectTables(stage, requestsProjection, [requestAccepted(), usageRecorded(), usageCorrected()], {
      log: [{ ...settled, usage: { uncachedInput: 1_000, outputText: 400 }, tokens: 1_400, amount: 390_000_000 }],
    }));

  it('states a correction as two facts, the previous figures taken back and the new ones', () =>
    expectTables(stage, requestsProjection, [requestAccepted(), usageRecorded(), usageCorrected()], {
      facts: [
        fact,
        {
          ...fact,
          event_id: usageCorrected().eventId,
          position: 3,
          usage: { uncachedInput: -1_000, outputText: -500 },
          amount: -450_000_000,
        },
        {
          ...fact,
          event_id: usageCorrected().eventId,
          part: 1,
          position: 3,
          usage: { uncachedInput: 1_000, outputText: 400 },
          amount: 390_000_000,
        },
      ].sort((a, b) => (`${a.event_id},${String(a.part)}` < `${b.event_id},${String(b.part)}` ? -1 : 1)),
    }));

  it('stores texts of upstreams that Postgres could not take as they are', () =>
    expectTables(
      stage,
      requestsProjection,
      [
        requestAccepted(),
        usageRecorded({ channel: 'a "quoted" {back\\slash},NULL' }),
        requestCompleted({
          finishReason: '\0',
          attempts: [
            {
              number: 1,
              channel: 'x',
              outcome: 'answered',
              status: 200,
              upstreamRequestId: 'id\u0000\ud800"\\',
              costPicos: null,
            },
          ],
        }),
      ],
      {
        log: [
          {
            ...ended,
            status: 'completed',
            channel: 'a "quoted" {back\\slash},NULL',
            finish_reason: '\ufffd',
            attempts: [
              {
                number: 1,
                channel: 'x',
                outcome: 'answered',
                status: 200,
                upstreamRequestId: 'id\ufffd\ufffd"\\',
                costPicos: null,
              },
            ],
          },
        ],
      },
    ));

  it('parks an account whose call ends without having been accepted', async () => {
    await stage.reset(requestsProjection);
    const [page] = pagesOf(recorded([requestCompleted(), ...answeredCall(1, { accountId: 'acct_other' })]), 10);
    expect(page && (await stage.apply(requestsProjection, page))).toEqual({ outcome: 'applied', parked: 1 });
    expect(await stage.rowsOf(requestsProjection, 'log')).toHaveLength(1);
  });
});

describe('reads of the request log', () => {
  const queries = () => new RequestQueries(stage.sql);

  beforeAll(async () => {
    await stage.reset(requestsProjection);
    const events = [
      ...answeredCall(1),
      ...answeredCall(2),
      requestAccepted({ requestId: requestIdOf(3), occurredAt: '2026-11-20T10:00:00.000Z' }),
      ...answeredCall(4, { accountId: 'acct_other' }),
    ];
    for (const page of pagesOf(recorded(events), 100)) await stage.apply(requestsProjection, page);
  });

  it('page through an account’s calls, newest first', async () => {
    const first = await queries().listRequests('acct_live1', null, 2);
    expect(first.map((call) => [call.requestId, call.position, call.endedAt])).toEqual([
      [requestIdOf(3), 7n, null],
      [requestIdOf(2), 4n, '2026-11-20T09:30:00.000Z'],
    ]);
    const second = await queries().listRequests('acct_live1', first.at(-1)?.position ?? null, 2);
    expect(second).toEqual([
      {
        requestId: requestIdOf(1),
        keyId: 'key_1',
        mode: 'live',
        model: 'gpt-4o-mini',
        route: '/v1/chat/completions',
        streamed: false,
        channel: 'primary',
        status: 'completed',
        source: 'reported',
        usage: { uncachedInput: 1_000, outputText: 500 },
        tokens: 1_500,
        picos: 450_000_000n,
        currency: 'USD',
        priceVersion: PRICE_VERSION,
        code: null,
        httpStatus: null,
        finishReason: 'stop',
        acceptedAt: '2026-11-20T09:30:00.000Z',
        endedAt: '2026-11-20T09:30:00.000Z',
        latencyMs: 840,
        firstByteMs: 120,
        position: 1n,
      },
    ]);
    expect(await queries().listRequests('acct_none', null, 2)).toEqual([]);
  });
});
