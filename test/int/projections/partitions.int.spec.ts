import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keysProjection } from '../../../projections/keys/keys.projection.ts';
import { ledgerProjection } from '../../../projections/ledger/ledger.projection.ts';
import type { Projection } from '../../../projections/projection.ts';
import { PROJECTIONS } from '../../../projections/catalogue.ts';
import { ProjectionLagging } from '../../../projections/runner.ts';
import { accountOpened, answeredCall, appendAll } from '../../support/events.ts';
import { FaultyDistribution, testPartitionOf } from '../../support/faultyDistribution.ts';
import { SeededRandom, testSeed } from '../../support/seededRandom.ts';
import { Distributed, LONG_MS, outcomeFromStore, TestPublisher, testTimers } from './distributed.ts';
import { appendPoison, mixedHistory } from './histories.ts';

const PARTITIONS = 4;
const seed = testSeed();

let random: SeededRandom;
let distributed: Distributed;
let log: FaultyDistribution;
let publisher: TestPublisher;

beforeEach(async () => {
  random = new SeededRandom(seed);
  distributed = await Distributed.open();
  log = new FaultyDistribution(PARTITIONS, random);
  publisher = new TestPublisher(distributed.store, log);
});
afterEach(async () => {
  await distributed.close();
  await log.close();
});

const append = (accounts: number, callsEach: number, first = 1) =>
  appendAll(distributed.store, mixedHistory(random, { accounts, callsEach, first }));

describe(`projections of partitions (TEST_SEED=${String(seed)})`, () => {
  it('come from the partitions alone when nothing is missing', async () => {
    const { store } = distributed;
    const { runner, publisher } = await distributed.goOnWithPartitions(log);
    const head = await append(8, 5);
    const expected = await outcomeFromStore(store);
    await publisher.publish();
    const reading = vi.spyOn(store, 'readAll');
    await runner.caughtUp(head, undefined, LONG_MS);
    expect(reading).not.toHaveBeenCalled();
    expect(await distributed.outcome()).toEqual(expected);
    expect(await distributed.checkpoints(ledgerProjection)).toEqual([head, head, head, head]);
    const names = ['keys', 'quota', 'usage', 'requests', 'ledger', 'audit', 'invoices'];
    await vi.waitFor(() => expect(runner.status()).toEqual(names.map((name) => ({ name, position: head, parked: 0 }))));
  });

  it.each([0, 1, 2])(
    'are byte for byte those of the store after repeats, rewinds, rebalances and losses (%i)',
    async (run) => {
      random = new SeededRandom(seed + run);
      log = new FaultyDistribution(PARTITIONS, random);
      publisher = new TestPublisher(distributed.store, log);
      log.faults = { repeat: 0.2, rewind: 0.1, rebalance: 0.1 };
      const runners = [await distributed.followPartitions(log), await distributed.followPartitions(log)];
      for (let round = 0; round < 3; round += 1) {
        await append(6, 6, round * 10 + 1);
        await appendPoison(distributed.store, `acct_${String(round * 10 + 2)}`);
        if (round === 1) publisher.startAgain();
        await publisher.publish();
        log.lose(0.2, 10);
      }
      // The last records of all: marks, which tell of whatever was lost before them.
      const head = await appendAll(distributed.store, [accountOpened({ accountId: 'acct_last' })]);
      await publisher.publish();
      const expected = await outcomeFromStore(distributed.store);
      await Promise.all(runners.map((runner) => runner.caughtUp(head, undefined, LONG_MS)));
      expect(await distributed.outcome()).toEqual(expected);
      expect(expected.parked.map(({ accountId }) => accountId)).toEqual(
        ['ledger', 'quota', 'requests', 'usage'].flatMap(() => ['acct_12', 'acct_2', 'acct_22']),
      );
      expect(Math.min(log.counts.repeats, log.counts.rewinds, log.counts.rebalances, log.counts.lost)).toBeGreaterThan(
        3,
      );
    },
    60_000,
  );

  it('park only the account of a poison event', async () => {
    const runner = await distributed.followPartitions(log);
    await appendAll(distributed.store, answeredCall('before', { accountId: 'acct_bad' }));
    const position = await appendPoison(distributed.store, 'acct_bad');
    const sharing = accountBeside('acct_bad');
    const head = await appendAll(distributed.store, [
      ...answeredCall('after', { accountId: 'acct_bad' }),
      ...answeredCall('beside', { accountId: sharing }),
    ]);
    await publisher.publish();
    await runner.caughtUp(head, undefined, LONG_MS);
    const { parked, tables } = await distributed.outcome();
    expect(parked).toEqual(
      ['ledger', 'quota', 'requests', 'usage'].map((projection) => ({
        projection,
        accountId: 'acct_bad',
        position,
        error: 'UsageRecorded version 2 does not parse',
      })),
    );
    expect(tables['ledger']?.['balances']).toEqual(
      ['revenue:acct_bad', `revenue:${sharing}`, 'unbilled:acct_bad', `unbilled:${sharing}`].map((account) =>
        account.startsWith('revenue') ? `(${account},USD,0,450000000)` : `(${account},USD,450000000,0)`,
      ),
    );
  });

  it('go on beside one that is stuck, which follows when it can', async () => {
    const gate = Promise.withResolvers<undefined>();
    const stuck: Projection = {
      name: 'stuck',
      version: 1,
      ddl: 'CREATE TABLE nothing (id integer PRIMARY KEY)',
      apply: async () => {
        await gate.promise;
      },
    };
    const runner = await distributed.followPartitions(log, { projections: [stuck, ledgerProjection] });
    for (let call = 0; call < 3; call += 1) {
      const position = await appendAll(distributed.store, answeredCall(call));
      await publisher.publish();
      await runner.caughtUp(position, ['ledger'], LONG_MS);
    }
    expect(runner.status().find(({ name }) => name === 'stuck')?.position).toBe(0n);
    gate.resolve(undefined);
    await runner.caughtUp(await distributed.store.head(), undefined, LONG_MS);
  });

  it('come from the store when partitions bring nothing', async () => {
    log.hold(0, 1, 2, 3);
    const runner = await distributed.followPartitions(log, { timers: testTimers(20) });
    const head = await append(4, 3);
    await publisher.publish();
    await runner.caughtUp(head, undefined, LONG_MS);
    expect(log.counts.batches).toBe(0);
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  });

  it.each([
    ['a little', 5],
    ['too much to wait for', 700],
  ])('come from the store where %s was lost, which the next record tells', async (_what, calls) => {
    const { runner, publisher } = await distributed.goOnWithPartitions(log);
    log.hold(0, 1, 2, 3);
    await appendAll(distributed.store, Array.from({ length: calls }, (_, call) => answeredCall(call)).flat());
    await publisher.publish();
    log.lose(1, 1);
    log.hold();
    expect(log.counts.lost).toBeGreaterThanOrEqual(calls * 3);
    const head = await appendAll(distributed.store, answeredCall('after the loss'));
    await publisher.publish();
    await runner.caughtUp(head, undefined, LONG_MS);
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  });

  it('take nothing from a distribution log that puts accounts elsewhere', async () => {
    const errors = vi.fn();
    const runner = await distributed.followPartitions(log, {
      timers: testTimers(20),
      log: { info: () => undefined, warn: () => undefined, error: errors },
      partitionOf: (accountId, partitions) => (testPartitionOf(accountId, partitions) + 1) % partitions,
    });
    const head = await append(3, 2);
    await publisher.publish();
    await runner.caughtUp(head, undefined, LONG_MS);
    await vi.waitFor(() =>
      expect(errors).toHaveBeenCalledWith(
        expect.objectContaining({ partition: 0, expected: 1 }),
        'an event came in the partition of other accounts',
      ),
    );
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  });

  it('have caught up when the last partition has', async () => {
    const { runner, publisher, position: begin } = await distributed.goOnWithPartitions(log);
    const partition = testPartitionOf('acct_live1', PARTITIONS);
    log.hold(partition);
    const position = await appendAll(distributed.store, [accountOpened(), ...answeredCall(1)]);
    await publisher.publish();
    await expect(runner.caughtUp(position, ['keys'], 300)).rejects.toThrow(ProjectionLagging);
    await expect(runner.caughtUp(position, ['keys'], 300)).rejects.toThrow(`keys at ${String(begin)}`);
    const expected = Array.from({ length: PARTITIONS }, (_, other) => (other === partition ? begin : position));
    await vi.waitFor(async () => expect(await distributed.checkpoints(keysProjection)).toEqual(expected));
    log.hold();
    await runner.caughtUp(position, undefined, LONG_MS);
    expect(runner.status().map(({ name }) => name)).toEqual(PROJECTIONS.map(({ name }) => name));
  });
});

/** Another account of the same partition. */
function accountBeside(accountId: string): string {
  const partition = testPartitionOf(accountId, PARTITIONS);
  for (let number = 0; ; number += 1) {
    const other = `acct_beside${String(number)}`;
    if (testPartitionOf(other, PARTITIONS) === partition) return other;
  }
}
