import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import type { TransactionOptions, TransactionRunner } from '../../../projections/ports.ts';
import type { SqlExecutor } from '../../../projections/projection.ts';
import { answeredCall, appendAll } from '../../support/events.ts';
import { FaultyDistribution } from '../../support/faultyDistribution.ts';
import { SeededRandom, testSeed } from '../../support/seededRandom.ts';
import { Distributed, LONG_MS, outcomeFromStore, TestPublisher, testTimers } from './distributed.ts';
import { mixedHistory } from './histories.ts';

const KILLS = 100;
const seed = testSeed();

let random: SeededRandom;
let distributed: Distributed;
let log: FaultyDistribution;

beforeEach(async () => {
  random = new SeededRandom(seed);
  distributed = await Distributed.open();
  log = new FaultyDistribution(4, random);
});
afterEach(async () => {
  await distributed.close();
  await log.close();
});

/** Ends transactions that moved a checkpoint: by an error, by cutting the connection, or after they were committed. */
class Killer implements TransactionRunner {
  readonly #inner: TransactionRunner;
  readonly kills = { aborted: 0, cut: 0, unanswered: 0 };

  constructor(inner: TransactionRunner) {
    this.#inner = inner;
  }

  get count(): number {
    return this.kills.aborted + this.kills.cut + this.kills.unanswered;
  }

  async transaction<T>(options: TransactionOptions, work: (sql: SqlExecutor) => Promise<T>): Promise<T> {
    const statements: string[] = [];
    const killing = random.fraction() < 0.5;
    const kind = random.weighted({ aborted: 1, cut: 1, unanswered: 1 });
    const due = () => killing && this.count < KILLS && statements.some((text) => text.startsWith('UPDATE checkpoint'));
    const result = await this.#inner.transaction(options, async (sql) => {
      const done = await work({
        query: (text, values) => {
          statements.push(text);
          return sql.query(text, values);
        },
      });
      if (kind !== 'unanswered' && due()) await this.#kill(kind, sql);
      return done;
    });
    if (kind === 'unanswered' && due()) {
      this.kills.unanswered += 1;
      throw new StoreUnavailable('the answer to the commit was lost, as told by the test');
    }
    return result;
  }

  async #kill(kind: 'aborted' | 'cut', sql: SqlExecutor): Promise<void> {
    this.kills[kind] += 1;
    if (kind === 'aborted') throw new StoreUnavailable('aborted, as told by the test');
    await sql.query('SELECT pg_terminate_backend(pg_backend_pid())');
  }
}

describe(`projections of partitions, when transactions fail (TEST_SEED=${String(seed)})`, () => {
  it(`are exact after ${String(KILLS)} kills between effects and commit, or just after it`, async () => {
    log.faults = { repeat: 0.1, rewind: 0, rebalance: 0 };
    const publisher = new TestPublisher(distributed.store, log);
    const killer = new Killer(distributed.stage.transactions);
    const runners = [
      await distributed.followPartitions(log, { transactions: killer }),
      await distributed.followPartitions(log, { transactions: killer }),
    ];
    let head = 0n;
    for (let first = 1; killer.count < KILLS; first += 4) {
      head = await appendAll(distributed.store, mixedHistory(random, { accounts: 4, callsEach: 4, first }));
      await publisher.publish();
      await Promise.all(runners.map((runner) => runner.caughtUp(head, undefined, LONG_MS)));
    }
    expect(killer.count).toBe(KILLS);
    expect(Math.min(...Object.values(killer.kills))).toBeGreaterThan(10);
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  }, 120_000);

  it('wait while the database is of no use, and go on when it is', async () => {
    const { runner, publisher } = await distributed.goOnWithPartitions(log);
    await distributed.stage.sql.query('ALTER TABLE public.parked_accounts RENAME TO gone');
    const head = await appendAll(distributed.store, answeredCall(1));
    await publisher.publish();
    await vi.waitFor(() => expect(log.counts.refused).toBeGreaterThan(3), { timeout: LONG_MS });
    await distributed.stage.sql.query('ALTER TABLE public.gone RENAME TO parked_accounts');
    await runner.caughtUp(head, undefined, LONG_MS);
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  });

  it.each([
    ['and another event follows', true],
    ['and nothing follows', false],
  ])('are exact when a crash of the database takes back what was committed last, %s', async (_, follows) => {
    const { runner, publisher } = await distributed.goOnWithPartitions(log, { timers: testTimers(20) });
    await appendAll(distributed.store, mixedHistory(random, { accounts: 3, callsEach: 2 }));
    await publisher.publish();
    await runner.caughtUp(await distributed.store.head(), undefined, LONG_MS);
    // As a crash leaves it: rows and checkpoint go back together.
    await distributed.stage.transactions.transaction({ schema: 'audit', lock: 'audit' }, async (sql) => {
      await sql.query('UPDATE checkpoint SET position = 0');
      await sql.query('DELETE FROM entries');
      await sql.query('DELETE FROM heads');
    });
    if (follows) {
      const head = await appendAll(distributed.store, answeredCall('later'));
      await publisher.publish();
      await runner.caughtUp(head, undefined, LONG_MS);
    }
    const expected = await outcomeFromStore(distributed.store);
    await vi.waitFor(async () => expect(await distributed.outcome()).toEqual(expected), { timeout: LONG_MS });
  });
});
