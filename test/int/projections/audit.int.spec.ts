import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { auditProjection } from '../../../projections/audit/audit.projection.ts';
import { AuditQueries } from '../../../projections/audit/audit.queries.ts';
import { chainHash, GENESIS } from '../../../projections/audit/chain.ts';
import { verifyAudit, type AuditOptions } from '../../../projections/audit/verify.ts';
import { ProjectionRunner } from '../../../projections/runner.ts';
import { answeredCall, appendAll, recorded, requestIdOf, streamOf } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { expectTables, Stage } from './stage.ts';

let stage: Stage;
let store: PostgresEventStore;
let runner: ProjectionRunner;

beforeEach(async () => {
  stage = await Stage.open();
  store = await PostgresEventStore.open({ connectionString: stage.database.url, log: silentLog });
  runner = new ProjectionRunner({
    store,
    transactions: stage.transactions,
    timers: systemRuntime(silentLog).timers,
    log: silentLog,
    projections: [auditProjection],
  });
});
afterEach(async () => {
  await runner.stop();
  await store.close();
  await stage.close();
});

const queries = () => new AuditQueries(stage.sql);
const verify = (options?: AuditOptions) => verifyAudit(store, queries(), options);

/** Nine events: positions 1–3 and 7–9 of one account, 4–6 of another. */
const history = [...answeredCall(1), ...answeredCall(2, { accountId: 'acct_other' }), ...answeredCall(3)];

async function audited(): Promise<void> {
  await runner.start();
  await runner.caughtUp(await appendAll(store, history));
}

/** What only somebody with the database's keys can do. */
async function tamper(statement: string): Promise<void> {
  await stage.sql.query(`ALTER TABLE events DISABLE TRIGGER USER`);
  await stage.sql.query(statement);
}

describe('the audit projection', () => {
  it('chains the stored bytes of each account’s events', async () => {
    const [first, foreign, second] = recorded(
      [history[0], history[3], history[1]].filter((event) => event !== undefined),
    );
    if (!first || !foreign || !second) throw new Error('there are three events');
    const hashes = [chainHash(GENESIS, first), chainHash(GENESIS, foreign)];
    const last = chainHash(hashes[0] ?? GENESIS, second);
    const entry = (event: typeof first, account_id: string, sequence: number, hash: Buffer | undefined) => ({
      account_id,
      sequence,
      position: Number(event.position),
      event_id: event.eventId,
      stream: event.stream,
      revision: Number(event.revision),
      type: event.type,
      hash: `\\x${hash?.toString('hex') ?? ''}`,
    });
    await expectTables(
      stage,
      auditProjection,
      [history[0], history[3], history[1]].filter((event) => event !== undefined),
      {
        entries: [
          entry(first, 'acct_live1', 1, hashes[0]),
          entry(second, 'acct_live1', 2, last),
          entry(foreign, 'acct_other', 1, hashes[1]),
        ],
        heads: [
          { account_id: 'acct_live1', sequence: 2, position: 3, hash: `\\x${last.toString('hex')}` },
          { account_id: 'acct_other', sequence: 1, position: 2, hash: `\\x${hashes[1]?.toString('hex') ?? ''}` },
        ],
      },
    );
  });

  it('chains events of types that this program does not know', async () => {
    await runner.start();
    const event = { eventId: requestIdOf('moon'), type: 'MoonLanded', version: 9, data: '{"accountId":"acct_moon"}' };
    const appended = await store.append({ stream: 'moon-1', expected: 'no_stream', events: [event] });
    await runner.caughtUp(appended.outcome === 'appended' ? appended.position : 0n);
    expect(await queries().head('acct_moon')).toMatchObject({ sequence: 1n, position: 1n });
    expect(await verify()).toMatchObject({ ok: true, events: 1 });
  });
});

describe('verifying', () => {
  it('finds nothing wrong with an untouched record, and tells the heads for keeping', async () => {
    await audited();
    const heads = [await queries().head('acct_live1'), await queries().head('acct_other')];
    expect(heads).toMatchObject([
      { accountId: 'acct_live1', sequence: 6n, position: 9n },
      { accountId: 'acct_other', sequence: 3n, position: 6n },
    ]);
    expect(await verify()).toEqual({ ok: true, accounts: 2, events: 9, position: 9n, firstDifference: null, heads });
  });

  it('can be limited to one account', async () => {
    await audited();
    expect(await verify({ accountId: 'acct_other' })).toMatchObject({ ok: true, accounts: 1, events: 3, position: 9n });
    expect(await verify({ accountId: 'acct_none' })).toMatchObject({ ok: true, accounts: 0, events: 0 });
  });

  it('finds nothing wrong with nothing', async () => {
    await runner.start();
    expect(await verify()).toEqual({
      ok: true,
      accounts: 0,
      events: 0,
      position: 0n,
      firstDifference: null,
      heads: [],
    });
  });

  it('locates every single flipped bit of a stored event at its position', async () => {
    await audited();
    await stage.sql.query('ALTER TABLE events DISABLE TRIGGER USER');
    const [, , , , target] = history;
    if (!target) throw new Error('there is a fifth event');
    const { rows } = await stage.sql.query<{ data: string }>('SELECT data FROM events WHERE position = 5');
    const bytes = Buffer.from(rows[0]?.data ?? '');
    for (let place = 0; place < bytes.length; place += 7) {
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(place) ^ 1, place);
      await stage.sql.query('UPDATE events SET data = $1 WHERE position = 5', [flipped.toString('latin1')]);
      const { ok, firstDifference } = await verify();
      expect({ ok, position: firstDifference?.position, place }).toEqual({ ok: false, position: 5n, place });
    }
    await stage.sql.query('UPDATE events SET data = $1 WHERE position = 5', [bytes.toString()]);
    expect(await verify()).toMatchObject({ ok: true });
  });

  it('says what and where', async () => {
    await audited();
    await tamper(
      `UPDATE events SET data = replace(data, '"amountPicos":"450000000"', '"amountPicos":"450000001"') WHERE position = 5`,
    );
    const [, , , , target] = history;
    expect((await verify()).firstDifference).toEqual({
      what: 'hash_differs',
      accountId: 'acct_other',
      sequence: 2n,
      position: 5n,
      stream: target && streamOf(target),
      revision: 1n,
      eventId: target?.eventId,
    });
    expect(await verify({ accountId: 'acct_live1' })).toMatchObject({ ok: true });
  });

  it.each([
    ['a deleted event', 'DELETE FROM events WHERE position = 5', 'event_missing', 5n],
    ['a deleted first event', 'DELETE FROM events WHERE position = 1', 'event_missing', 1n],
    ['a cut tail of the log', 'DELETE FROM events WHERE position >= 8', 'event_missing', 8n],
    [
      'two events whose bytes were swapped',
      `UPDATE events e SET data = o.data FROM events o
       WHERE (e.position, o.position) IN ((1, 7), (7, 1))`,
      'hash_differs',
      1n,
    ],
    [
      'two events that changed places',
      `UPDATE events SET position = CASE position WHEN 8 THEN 108 ELSE 8 END WHERE position IN (8);
       UPDATE events SET position = 8 WHERE position = 9; UPDATE events SET position = 9 WHERE position = 108`,
      'entry_differs',
      8n,
    ],
    [
      'an inserted event',
      `UPDATE events SET position = position + 100 WHERE position > 4;
       UPDATE events SET position = position - 99 WHERE position > 100;
       INSERT INTO events SELECT 5, 'request-forged', 0, event_id, type, version, data FROM events WHERE position = 4`,
      'entry_differs',
      5n,
    ],
    [
      'an event given to another account',
      `UPDATE events SET data = replace(data, 'acct_other', 'acct_live1') WHERE position = 4`,
      'entry_missing',
      4n,
    ],
    ['a deleted entry', 'DELETE FROM audit.entries WHERE position = 6', 'entry_missing', 6n],
    [
      'an entry with another hash',
      `UPDATE audit.entries SET hash = sha256('x') WHERE position = 6`,
      'hash_differs',
      6n,
    ],
    ['an entry with another event', `UPDATE audit.entries SET type = 'x' WHERE position = 6`, 'entry_differs', 6n],
    ['an entry with another sequence', `UPDATE audit.entries SET sequence = 9 WHERE position = 6`, 'entry_differs', 6n],
    [
      'an entry from nowhere',
      `INSERT INTO audit.entries SELECT account_id, 99, 99, event_id, stream, revision, type, hash
       FROM audit.entries WHERE position = 6`,
      'entry_unexpected',
      99n,
    ],
    ['another head', `UPDATE audit.heads SET hash = sha256('x') WHERE account_id = 'acct_other'`, 'head_differs', 6n],
    ['a missing head', `DELETE FROM audit.heads WHERE account_id = 'acct_other'`, 'head_differs', 6n],
    [
      'a head of nobody',
      `INSERT INTO audit.heads SELECT 'acct_forged', sequence, position, hash FROM audit.heads WHERE position = 9`,
      'head_differs',
      9n,
    ],
  ])('locates %s', async (_what, statement, what, position) => {
    await audited();
    await runner.stop();
    await tamper(statement);
    const { ok, firstDifference } = await verify();
    expect({ ok, what: firstDifference?.what, position: firstDifference?.position }).toEqual({
      ok: false,
      what,
      position,
    });
  });

  it('finds that record and chains were cut together by a head kept elsewhere', async () => {
    await audited();
    const kept = await queries().head('acct_live1');
    if (!kept) throw new Error('the account has a head');
    expect(await verify({ expectedHead: kept })).toMatchObject({ ok: true });
    await runner.stop();
    await tamper(`DELETE FROM events WHERE position > 6; UPDATE event_head SET position = 6;
      DELETE FROM audit.entries WHERE position > 6; UPDATE audit.checkpoint SET position = 6;
      UPDATE audit.heads h SET (sequence, position, hash) = (SELECT e.sequence, e.position, e.hash FROM audit.entries e
        WHERE e.account_id = h.account_id ORDER BY e.sequence DESC LIMIT 1)`);
    expect(await verify()).toMatchObject({ ok: true, events: 6 });
    expect(await verify({ expectedHead: kept })).toMatchObject({
      ok: false,
      firstDifference: { what: 'kept_head_missing', accountId: 'acct_live1', sequence: 6n },
    });
  });

  it('finds that the whole record was rewritten by a head kept elsewhere', async () => {
    await audited();
    const kept = { accountId: 'acct_live1', sequence: 2n, hash: '00'.repeat(32) };
    expect(await verify({ expectedHead: kept })).toMatchObject({
      ok: false,
      firstDifference: { what: 'kept_head_missing', position: 2n, sequence: 2n },
    });
  });

  it('is not disturbed by what is appended meanwhile', async () => {
    await audited();
    const [report] = await Promise.all([verify(), appendAll(store, answeredCall('meanwhile'))]);
    expect(report).toMatchObject({ ok: true });
  });
});

describe('the chain of an account', () => {
  it('can be read from its beginning', async () => {
    await audited();
    const pages: unknown[] = [];
    for await (const page of queries().entries('acct_other')) pages.push(...page);
    expect(pages).toMatchObject([
      { sequence: 1n, position: 4n, type: 'RequestAccepted' },
      { sequence: 2n, position: 5n, type: 'UsageRecorded', revision: 1n },
      { sequence: 3n, position: 6n, type: 'RequestCompleted', hash: (await queries().head('acct_other'))?.hash },
    ]);
    expect(await queries().head('acct_none')).toBeNull();
  });
});
