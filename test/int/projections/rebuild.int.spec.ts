import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encode } from '../../../events/codec.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { PROJECTIONS } from '../../../projections/catalogue.ts';
import { ledgerProjection } from '../../../projections/ledger/ledger.projection.ts';
import { ParkingQueries } from '../../../projections/parking.ts';
import type { Projection } from '../../../projections/projection.ts';
import { rebuild, type RebuildOptions } from '../../../projections/rebuild.ts';
import { ProjectionRunner } from '../../../projections/runner.ts';
import {
  accountLimitsSet,
  accountOpened,
  answeredCall,
  apiKeyIssued,
  apiKeyRotated,
  appendAll,
  invoiceDrafted,
  invoiceFinalized,
  invoiceNumberAllocated,
  periodClosed,
  periodOpened,
  requestAccepted,
  requestIdOf,
  streamOf,
  usageCorrected,
  usageRecorded,
  userRegistered,
} from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { Stage } from './stage.ts';

let stage: Stage;
let store: MemoryEventStore;
let runner: ProjectionRunner;

beforeEach(async () => {
  stage = await Stage.open();
  store = new MemoryEventStore();
  runner = new ProjectionRunner({
    store,
    transactions: stage.transactions,
    timers: systemRuntime(silentLog).timers,
    log: silentLog,
    projections: PROJECTIONS,
  });
  await runner.start();
});
afterEach(async () => {
  await runner.stop();
  await stage.close();
});

/** Something for every table. */
const history = [
  userRegistered(),
  accountOpened(),
  accountLimitsSet(),
  apiKeyIssued(),
  apiKeyRotated(),
  periodOpened(),
  ...answeredCall(1),
  ...answeredCall(2, { accountId: 'acct_other', keyId: 'key_other' }),
  requestAccepted({ requestId: requestIdOf('open') }),
  requestAccepted({ requestId: requestIdOf('unended') }),
  usageRecorded({ requestId: requestIdOf('unended') }),
  usageCorrected({ requestId: requestIdOf(1) }),
  periodClosed(),
  invoiceDrafted(),
  invoiceNumberAllocated(),
  invoiceFinalized(),
];

const again = (projection: Projection, options?: RebuildOptions) =>
  rebuild({ store, transactions: stage.transactions, log: silentLog }, projection, options);

async function schemas(): Promise<string[]> {
  const { rows } = await stage.sql.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname ~ '_(rebuild|replaced)$'`,
  );
  return rows.map(({ name }) => name);
}

describe('a rebuild', () => {
  it.each(PROJECTIONS.map((projection) => [projection.name, projection] as const))(
    'of %s is byte for byte what the live tables hold',
    async (name, projection) => {
      const position = await appendAll(store, history);
      await runner.caughtUp(position);
      const before = await stage.bytesOf(projection);
      const result = await again(projection);
      expect(result).toEqual({
        name,
        position,
        tables: result.tables.map(({ table }) => ({ table, rows: before[table]?.length, equal: true })),
        equal: true,
        swapped: true,
        parked: [],
      });
      expect(result.tables.map(({ table }) => table).sort()).toEqual(Object.keys(before));
      expect(result.tables.some(({ rows }) => rows > 0)).toBe(true);
      expect(await stage.bytesOf(projection)).toEqual(before);
      expect(await schemas()).toEqual([]);
    },
  );

  it('says where a read model was tampered with, and leaves it as it is', async () => {
    await runner.caughtUp(await appendAll(store, history));
    await stage.sql.query(
      `UPDATE ledger.balances SET credits = credits + 1 WHERE ledger_account = 'revenue:acct_live1'`,
    );
    const before = await stage.bytesOf(ledgerProjection);
    const result = await again(ledgerProjection);
    expect(result).toMatchObject({
      equal: false,
      swapped: false,
      tables: [
        { table: 'transfers', equal: true },
        {
          table: 'balances',
          equal: false,
          firstDifference: {
            live: '(revenue:acct_live1,USD,450000000,1290000001)',
            rebuilt: '(revenue:acct_live1,USD,450000000,1290000000)',
          },
        },
      ],
    });
    expect(await stage.bytesOf(ledgerProjection)).toEqual(before);
    expect(await schemas()).toEqual([]);
  });

  it.each([
    ['missing', `DELETE FROM ledger.transfers WHERE reason = 'usage_corrected'`, { live: null }],
    [
      'too many',
      `INSERT INTO ledger.transfers SELECT transfer_id, 99, position, occurred_at, account_id, debit_account,
         credit_account, currency, amount, reason, reference FROM ledger.transfers WHERE reason = 'usage_corrected'`,
      { rebuilt: null },
    ],
  ])('finds a row that is %s', async (_what, statement, difference) => {
    await runner.caughtUp(await appendAll(store, history));
    await stage.sql.query(statement);
    const { equal, tables } = await again(ledgerProjection);
    expect(equal).toBe(false);
    expect(tables[0]?.firstDifference).toMatchObject(difference);
  });

  it('repairs the live tables when told to swap anyway', async () => {
    await runner.caughtUp(await appendAll(store, history));
    const before = await stage.bytesOf(ledgerProjection);
    await stage.sql.query('DELETE FROM ledger.transfers');
    expect(await again(ledgerProjection, { swap: 'always' })).toMatchObject({ equal: false, swapped: true });
    expect(await stage.bytesOf(ledgerProjection)).toEqual(before);
  });

  it('swaps nothing when told to compare only', async () => {
    await runner.caughtUp(await appendAll(store, history));
    const oid = async () => (await stage.sql.query(`SELECT 'ledger.balances'::regclass::oid AS oid`)).rows;
    const before = await oid();
    expect(await again(ledgerProjection, { swap: 'never' })).toMatchObject({ equal: true, swapped: false });
    expect(await oid()).toEqual(before);
    expect(await schemas()).toEqual([]);
  });

  it('of nothing is equal', async () => {
    expect(await again(ledgerProjection)).toMatchObject({ position: 0n, equal: true, swapped: true });
  });

  it('begins anew when an earlier one was left unfinished', async () => {
    await runner.caughtUp(await appendAll(store, history));
    await stage.sql.query('CREATE SCHEMA ledger_rebuild; CREATE TABLE ledger_rebuild.transfers (x integer)');
    expect(await again(ledgerProjection)).toMatchObject({ equal: true, swapped: true });
  });
});

describe('a rebuild while the projection runs', () => {
  it('is equal, and the runner goes on with the new tables', async () => {
    for (let round = 0; round < 5; round += 1) {
      const appending = appendAll(store, Array.from({ length: 10 }, (_, n) => answeredCall(round * 10 + n)).flat());
      const results = await Promise.all(PROJECTIONS.map((projection) => again(projection)));
      expect(results.map(({ name, equal, swapped }) => ({ name, equal, swapped }))).toEqual(
        PROJECTIONS.map(({ name }) => ({ name, equal: true, swapped: true })),
      );
      await runner.caughtUp(await appending);
    }
    for (const projection of PROJECTIONS) expect(await again(projection)).toMatchObject({ equal: true });
    expect(runner.status().every(({ parked }) => parked === 0)).toBe(true);
  });

  it('lets readers go on', async () => {
    await runner.caughtUp(await appendAll(store, history));
    let reading = true;
    const read = async () => {
      let reads = 0;
      while (reading) {
        const { rows } = await stage.sql.query('SELECT ledger_account FROM ledger.balances');
        expect(rows).not.toEqual([]);
        reads += 1;
      }
      return reads;
    };
    const reads = Promise.all([read(), read()]);
    for (let round = 0; round < 5; round += 1) {
      expect(await again(ledgerProjection, { swap: 'always' })).toMatchObject({ swapped: true });
    }
    reading = false;
    expect(Math.min(...(await reads))).toBeGreaterThan(0);
  });
});

describe('a rebuild and parked accounts', () => {
  it('applies the events of an account that no longer has poison, and frees it', async () => {
    await runner.caughtUp(await appendAll(store, history));
    await stage.sql.query(
      `INSERT INTO parked_accounts (projection, account_id, position, error) VALUES ('ledger', 'acct_live1', 1, 'a bug, now mended')`,
    );
    await runner.caughtUp(await appendAll(store, answeredCall('skipped')));
    const compared = await again(ledgerProjection);
    expect(compared).toMatchObject({ equal: false, swapped: false });
    expect(await new ParkingQueries(stage.sql).isParked('ledger', 'acct_live1')).toBe(true);
    expect(await again(ledgerProjection, { swap: 'always' })).toMatchObject({ swapped: true, parked: [] });
    expect(await new ParkingQueries(stage.sql).isParked('ledger', 'acct_live1')).toBe(false);
    const position = await appendAll(store, answeredCall('applied'));
    await runner.caughtUp(position);
    expect(runner.status().find(({ name }) => name === 'ledger')).toEqual({ name: 'ledger', position, parked: 0 });
  });

  it('parks again whoever still has poison, at the same event', async () => {
    const event = usageRecorded({ requestId: requestIdOf('poison') });
    const spoilt = { ...encode(event), data: encode(event).data.replace('"usage"', '"abuse"') };
    await store.append({ stream: streamOf(event), expected: 'no_stream', events: [spoilt] });
    await runner.caughtUp(await appendAll(store, history));
    const parked = await new ParkingQueries(stage.sql).list();
    expect(parked.map(({ accountId }) => accountId)).toContain('acct_live1');
    expect(await again(ledgerProjection)).toMatchObject({ equal: true, swapped: true, parked: ['acct_live1'] });
    expect(await new ParkingQueries(stage.sql).list()).toEqual(parked);
  });
});
