import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encode, type DomainEvent } from '../../../events/codec.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { PROJECTIONS } from '../../../projections/catalogue.ts';
import { keysProjection } from '../../../projections/keys/keys.projection.ts';
import { ledgerProjection } from '../../../projections/ledger/ledger.projection.ts';
import { LedgerQueries } from '../../../projections/ledger/ledger.queries.ts';
import { ParkingQueries } from '../../../projections/parking.ts';
import type { Log } from '../../../projections/ports.ts';
import type { Projection } from '../../../projections/projection.ts';
import { quotaProjection } from '../../../projections/quota/quota.projection.ts';
import { ProjectionLagging, ProjectionRunner } from '../../../projections/runner.ts';
import { NewerSchema } from '../../../projections/schema.ts';
import { usageProjection } from '../../../projections/usage/usage.projection.ts';
import {
  accountOpened,
  answeredCall,
  apiKeyIssued,
  appendAll,
  requestIdOf,
  streamOf,
  usageRecorded,
} from '../../support/events.ts';
import { Stage } from './stage.ts';

let stage: Stage;
let store: MemoryEventStore;
let runners: ProjectionRunner[];
let log: { [K in keyof Log]: ReturnType<typeof vi.fn<Log[K]>> };

beforeEach(async () => {
  stage = await Stage.open();
  store = new MemoryEventStore();
  runners = [];
  log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
});
afterEach(async () => {
  await Promise.all(runners.map((runner) => runner.stop()));
  await stage.close();
});

function makeRunner(projections: readonly Projection[] = PROJECTIONS): ProjectionRunner {
  const { timers } = systemRuntime(log);
  const runner = new ProjectionRunner({ store, transactions: stage.transactions, timers, log, projections });
  runners.push(runner);
  return runner;
}

async function startRunner(projections?: readonly Projection[]): Promise<ProjectionRunner> {
  const runner = makeRunner(projections);
  await runner.start();
  return runner;
}

const balanceOf = async (accountId: string) =>
  (await new LedgerQueries(stage.sql).balances(accountId)).find(({ book }) => book === 'unbilled')?.debits ?? 0n;

/** The event with bytes that its schema refuses. */
function spoilt(event: DomainEvent) {
  return { ...encode(event), data: encode(event).data.replace('"amountPicos":"', '"amountPicos":"x') };
}

async function appendSpoilt(event: DomainEvent): Promise<bigint> {
  const result = await store.append({ stream: streamOf(event), expected: 'no_stream', events: [spoilt(event)] });
  if (result.outcome !== 'appended') throw new Error(result.outcome);
  return result.position;
}

describe('the runner', () => {
  it('notices that a crash of the database has set a projection back, also when nothing happens afterwards', async () => {
    const runner = await startRunner([ledgerProjection]);
    const head = await appendAll(store, answeredCall(1));
    await runner.caughtUp(head);
    const before = await stage.sql.query('SELECT * FROM ledger.transfers ORDER BY transfer_id');
    expect(before.rows.length).toBeGreaterThan(0);
    await stage.sql.query('DELETE FROM ledger.transfers');
    await stage.sql.query('UPDATE ledger.checkpoint SET position = 0');
    await vi.waitFor(
      async () =>
        expect((await stage.sql.query('SELECT * FROM ledger.transfers ORDER BY transfer_id')).rows).toEqual(
          before.rows,
        ),
      { timeout: 10_000, interval: 100 },
    );
    expect(log.warn).toHaveBeenCalledWith(expect.anything(), 'a projection was set back');
  });

  it('makes the tables of every projection and keeps them up with the log', async () => {
    const runner = await startRunner();
    expect(runner.status()).toEqual(PROJECTIONS.map(({ name }) => ({ name, position: 0n, parked: 0 })));
    const position = await appendAll(store, [accountOpened(), apiKeyIssued(), ...answeredCall(1)]);
    await runner.caughtUp(position);
    expect(runner.status()).toEqual(PROJECTIONS.map(({ name }) => ({ name, position, parked: 0 })));
    expect(await balanceOf('acct_live1')).toBe(450_000_000n);
  });

  it('goes on after a restart where it had stopped, also with what was appended meanwhile', async () => {
    const first = await startRunner();
    await first.caughtUp(await appendAll(store, answeredCall(1)));
    await first.stop();
    const position = await appendAll(store, answeredCall(2));
    const second = await startRunner();
    await second.caughtUp(position);
    expect(await balanceOf('acct_live1')).toBe(900_000_000n);
  });

  it('brings a projection that is new up from the beginning, beside those that are not', async () => {
    const first = await startRunner([usageProjection]);
    const position = await appendAll(store, answeredCall(1));
    await first.caughtUp(position);
    await first.stop();
    const second = await startRunner([usageProjection, ledgerProjection]);
    await second.caughtUp(position);
    expect(await balanceOf('acct_live1')).toBe(450_000_000n);
  });

  it('applies each event once when several runners work on the same tables', async () => {
    const [one, two] = [await startRunner(), await startRunner()];
    for (let call = 0; call < 20; call += 1) await appendAll(store, answeredCall(call));
    const head = await store.head();
    await Promise.all([one.caughtUp(head), two.caughtUp(head)]);
    expect(await balanceOf('acct_live1')).toBe(20n * 450_000_000n);
    expect(one.status().every(({ parked }) => parked === 0)).toBe(true);
    expect(log.error).not.toHaveBeenCalled();
  });

  it('stops after the page in hand, and nothing follows', async () => {
    const runner = await startRunner();
    const appending = appendAll(store, Array.from({ length: 20 }, (_, call) => answeredCall(call)).flat());
    await runner.stop();
    const position = runner.status().find(({ name }) => name === 'ledger')?.position;
    await appending;
    expect(runner.status().find(({ name }) => name === 'ledger')?.position).toBe(position);
    const { rows } = await stage.sql.query<{ position: string }>('SELECT position FROM ledger.checkpoint');
    expect(BigInt(rows[0]?.position ?? -1)).toBe(position);
  });
});

describe('waiting until read models have caught up', () => {
  it('ends with an error when it takes too long', async () => {
    const runner = await startRunner();
    const waiting = runner.caughtUp(1n, ['quota'], 20);
    await expect(waiting).rejects.toThrow(ProjectionLagging);
    await expect(waiting).rejects.toThrow('quota at 0');
  });

  it('waits for the named projections only', async () => {
    await stage.sql.query('ALTER FUNCTION settle_holds(uuid[]) RENAME TO settle_holds_gone');
    const runner = await startRunner();
    const position = await appendAll(store, answeredCall(1));
    await runner.caughtUp(position, ['ledger', 'audit']);
    await expect(runner.caughtUp(position, ['ledger', 'quota'], 50)).rejects.toThrow(ProjectionLagging);
  });

  it('refuses names that are no running projection', async () => {
    const runner = await startRunner([keysProjection]);
    await expect(runner.caughtUp(0n, ['keys', 'quota'])).rejects.toThrow('not all of these are running projections');
  });
});

describe('a poison event', () => {
  it('parks its account in the projections that apply it, and others go on', async () => {
    const runner = await startRunner();
    await appendAll(store, [...answeredCall(1), ...answeredCall('other 1', { accountId: 'acct_other' })]);
    const poison = await appendSpoilt(usageRecorded({ requestId: requestIdOf('poison') }));
    const head = await appendAll(store, [...answeredCall(2), ...answeredCall('other 2', { accountId: 'acct_other' })]);
    await runner.caughtUp(head);

    expect(await balanceOf('acct_live1')).toBe(450_000_000n);
    expect(await balanceOf('acct_other')).toBe(900_000_000n);
    const parked = Object.fromEntries(runner.status().map((status) => [status.name, status.parked]));
    expect(parked).toEqual({ keys: 0, quota: 1, usage: 1, requests: 1, ledger: 1, audit: 0, invoices: 0 });

    const queries = new ParkingQueries(stage.sql);
    expect(await queries.list()).toEqual(
      ['ledger', 'quota', 'requests', 'usage'].map((projection) => ({
        projection,
        accountId: 'acct_live1',
        position: poison,
        error: 'UsageRecorded version 2 does not parse',
      })),
    );
    expect(await queries.isParked('ledger', 'acct_live1')).toBe(true);
    expect(await queries.isParked('ledger', 'acct_other')).toBe(false);
    expect(await queries.isParked('audit', 'acct_live1')).toBe(false);
    expect(log.error).toHaveBeenCalledTimes(4);
    expect(log.error).toHaveBeenCalledWith(
      expect.objectContaining({ projection: 'ledger', position: poison }),
      'an event is poison: its account is parked',
    );
  });

  it('is found in the middle of a large page', async () => {
    await appendAll(
      store,
      Array.from({ length: 10 }, (_, n) => answeredCall(n, { accountId: `acct_${String(n % 3)}` })).flat(),
    );
    await appendSpoilt(usageRecorded({ requestId: requestIdOf('poison'), accountId: 'acct_1' }));
    const head = await appendAll(
      store,
      Array.from({ length: 10 }, (_, n) => answeredCall(n + 10, { accountId: `acct_${String(n % 3)}` })).flat(),
    );
    const runner = await startRunner();
    await runner.caughtUp(head);
    expect(await Promise.all(['acct_0', 'acct_1', 'acct_2'].map(balanceOf))).toEqual([
      8n * 450_000_000n,
      3n * 450_000_000n,
      6n * 450_000_000n,
    ]);
  });

  it('stays parked after a restart', async () => {
    const first = await startRunner([ledgerProjection]);
    await first.caughtUp(await appendSpoilt(usageRecorded()));
    await first.stop();
    const position = await appendAll(store, answeredCall(2));
    const second = await startRunner([ledgerProjection]);
    await second.caughtUp(position);
    expect(second.status()).toEqual([{ name: 'ledger', position, parked: 1 }]);
    expect(await balanceOf('acct_live1')).toBe(0n);
  });

  it('that names no account makes every account count as parked', async () => {
    const runner = await startRunner([ledgerProjection]);
    const event = { ...encode(usageRecorded()), data: '{}' };
    const result = await store.append({ stream: 'request-nameless', expected: 'no_stream', events: [event] });
    await runner.caughtUp(result.outcome === 'appended' ? result.position : 0n);
    expect(await new ParkingQueries(stage.sql).isParked('ledger', 'acct_any')).toBe(true);
    expect(await new ParkingQueries(stage.sql).isParked('usage', 'acct_any')).toBe(false);
  });
});

describe('trouble with the database', () => {
  it('parks nobody when a function is missing: the projection waits and goes on when it is there', async () => {
    await stage.sql.query('ALTER FUNCTION settle_holds(uuid[]) RENAME TO settle_holds_gone');
    const runner = await startRunner();
    const position = await appendAll(store, answeredCall(1));
    await runner.caughtUp(position, ['ledger']);
    await vi.waitFor(() => expect(log.warn).toHaveBeenCalled());
    await expect(runner.caughtUp(position, ['quota'], 20)).rejects.toThrow(ProjectionLagging);
    expect(runner.status().find(({ name }) => name === 'quota')?.parked).toBe(0);
    await stage.sql.query('ALTER FUNCTION settle_holds_gone(uuid[]) RENAME TO settle_holds');
    await runner.caughtUp(position);
    expect(log.error).not.toHaveBeenCalled();
  });

  it('parks nobody and loses nothing when connections are cut again and again', async () => {
    const runner = await startRunner();
    const cut = () =>
      stage.sql.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      );
    for (let call = 0; call < 15; call += 1) {
      await appendAll(store, answeredCall(call));
      await vi.waitFor(cut);
    }
    await runner.caughtUp(await store.head(), undefined, 20_000);
    expect(await balanceOf('acct_live1')).toBe(15n * 450_000_000n);
    expect(runner.status().every(({ parked }) => parked === 0)).toBe(true);
  });

  it('waits while the event store cannot be reached', async () => {
    const runner = await startRunner();
    const position = await appendAll(store, answeredCall(1));
    await runner.caughtUp(position);
    store.reachable = false;
    await expect(runner.caughtUp(position + 1n, undefined, 50)).rejects.toThrow(ProjectionLagging);
    store.reachable = true;
    await runner.caughtUp(await appendAll(store, answeredCall(2)));
    expect(await balanceOf('acct_live1')).toBe(900_000_000n);
  });
});

describe('versions of tables', () => {
  it('refuses to work on tables of a newer program', async () => {
    await (await startRunner([ledgerProjection])).stop();
    await stage.sql.query('UPDATE ledger.checkpoint SET version = version + 1');
    await expect(makeRunner([ledgerProjection]).start()).rejects.toThrow(NewerSchema);
  });

  it('rebuilds tables of an older version before it goes on', async () => {
    const first = await startRunner([ledgerProjection]);
    const position = await appendAll(store, answeredCall(1));
    await first.caughtUp(position);
    await first.stop();
    const newer: Projection = {
      ...ledgerProjection,
      version: ledgerProjection.version + 1,
      ddl: `${ledgerProjection.ddl}\nCREATE TABLE notes (note text PRIMARY KEY);`,
    };
    const second = await startRunner([newer]);
    const { rows } = await stage.sql.query('SELECT version, position FROM ledger.checkpoint');
    expect(rows).toEqual([{ version: 2, position: String(position) }]);
    expect(await stage.rowsOf(ledgerProjection, 'notes')).toEqual([]);
    await second.caughtUp(await appendAll(store, answeredCall(2)));
    expect(await balanceOf('acct_live1')).toBe(900_000_000n);
  });

  it('lets two processes that start together make each schema once', async () => {
    const runners = [makeRunner(), makeRunner(), makeRunner()];
    await Promise.all(runners.map((runner) => runner.start()));
    const position = await appendAll(store, answeredCall(1));
    await Promise.all(runners.map((runner) => runner.caughtUp(position)));
    expect(await balanceOf('acct_live1')).toBe(450_000_000n);
  });
});

describe('a projection that is stuck', () => {
  it('does not hold up the others', async () => {
    const gate = Promise.withResolvers<undefined>();
    const stuck: Projection = {
      name: 'stuck',
      version: 1,
      ddl: 'CREATE TABLE nothing (id integer PRIMARY KEY)',
      apply: async () => {
        await gate.promise;
      },
    };
    const runner = await startRunner([stuck, ledgerProjection, quotaProjection]);
    const position = await appendAll(store, answeredCall(1));
    await runner.caughtUp(position, ['ledger', 'quota']);
    expect(runner.status().find(({ name }) => name === 'stuck')?.position).toBe(0n);
    gate.resolve(undefined);
    await runner.caughtUp(position);
  });
});
