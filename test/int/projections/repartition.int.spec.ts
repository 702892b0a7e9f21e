import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuditQueries } from '../../../projections/audit/audit.queries.ts';
import { verifyAudit } from '../../../projections/audit/verify.ts';
import { PROJECTIONS } from '../../../projections/catalogue.ts';
import { rebuild } from '../../../projections/rebuild.ts';
import { appendAll } from '../../support/events.ts';
import { FaultyDistribution, testPartitionOf } from '../../support/faultyDistribution.ts';
import { silentLog } from '../../support/log.ts';
import { SeededRandom, testSeed } from '../../support/seededRandom.ts';
import { Distributed, LONG_MS, outcomeFromStore, TestPublisher } from './distributed.ts';
import { mixedHistory } from './histories.ts';

const seed = testSeed();

let random: SeededRandom;
let distributed: Distributed;
let nextAccount: number;

beforeEach(async () => {
  random = new SeededRandom(seed);
  distributed = await Distributed.open();
  nextAccount = 1;
});
afterEach(() => distributed.close());

async function append(): Promise<bigint> {
  const first = nextAccount;
  nextAccount += 5;
  return appendAll(distributed.store, mixedHistory(random, { accounts: 5, callsEach: 3, first }));
}

/** Waits until every projection stands at these positions, by partition. */
async function stands(...positions: readonly bigint[]): Promise<void> {
  await vi.waitFor(
    async () => {
      const checkpoints = await Promise.all(PROJECTIONS.map((projection) => distributed.checkpoints(projection)));
      expect(checkpoints).toEqual(PROJECTIONS.map(() => positions));
    },
    { timeout: LONG_MS },
  );
}

/** Follows so many partitions, of which one stays behind at `begin` while all others come to the head. */
async function partWay(partitions: number, heldBack: number) {
  const log = new FaultyDistribution(partitions, random);
  const { runner, publisher, position: begin } = await distributed.goOnWithPartitions(log);
  await stands(...Array.from({ length: partitions }, () => begin));
  log.hold(heldBack);
  const head = await append();
  await publisher.publish();
  await stands(...Array.from({ length: partitions }, (_, partition) => (partition === heldBack ? begin : head)));
  return { log, runner, begin, head };
}

describe(`where projections take events from (TEST_SEED=${String(seed)})`, () => {
  it('can be changed from the store to partitions, to others, and back, in the middle of things', async () => {
    const first = await distributed.follow();
    const begin = await append();
    await first.caughtUp(begin, undefined, LONG_MS);
    await first.stop();
    await stands(begin);

    const four = await partWay(4, 2);
    await four.runner.stop();
    const seven = await partWay(7, 0);
    await seven.runner.stop();

    const last = await distributed.follow();
    const head = await append();
    await last.caughtUp(head, undefined, LONG_MS);
    await stands(head);
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  }, 60_000);

  it('is the same for runners of both kinds side by side: they take turns', async () => {
    const log = new FaultyDistribution(3, random);
    const publisher = new TestPublisher(distributed.store, log);
    await distributed.followPartitions(log);
    const runner = await distributed.follow();
    const head = await append();
    await publisher.publish();
    await runner.caughtUp(head, undefined, LONG_MS);
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  });

  it('is not left by a program that does not know which accounts were where', async () => {
    const { runner } = await partWay(4, 1);
    await runner.stop();
    await expect(distributed.follow({ partitionOf: undefined })).rejects.toThrow(
      'read models follow 4 partitions, and partitionOf is not given',
    );
  });
});

describe('a rebuild of projections that follow partitions', () => {
  const again = (name: string, options?: Parameters<typeof rebuild>[2]) => {
    const projection = PROJECTIONS.find((candidate) => candidate.name === name);
    if (!projection) throw new Error(`there is no ${name}`);
    const { store, stage } = distributed;
    const parts = { store, transactions: stage.transactions, log: silentLog, partitionOf: testPartitionOf };
    return rebuild(parts, projection, options);
  };

  it('is byte for byte what the live tables hold while one partition is behind, and all go on from there', async () => {
    const { log, runner, begin, head } = await partWay(4, 3);
    const before = await distributed.outcome();
    for (const { name } of PROJECTIONS) {
      expect(await again(name)).toMatchObject({ name, position: begin, equal: true, swapped: true, parked: [] });
    }
    expect(await distributed.outcome()).toEqual(before);
    await stands(head, head, head, begin);
    log.hold();
    await runner.caughtUp(head, undefined, LONG_MS);
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  });

  it('finds one flipped bit in a partition that is ahead', async () => {
    await partWay(4, 3);
    await distributed.stage.sql.query(
      `UPDATE audit.entries SET hash = set_bit(hash, 77, 1 - get_bit(hash, 77))
       WHERE position = (SELECT max(position) FROM audit.entries)`,
    );
    const result = await again('audit');
    expect(result).toMatchObject({ equal: false, swapped: false });
    expect(result.tables.map(({ table, equal }) => [table, equal])).toEqual([
      ['entries', false],
      ['heads', true],
    ]);
  });

  it('is equal while partitions are followed', async () => {
    const log = new FaultyDistribution(4, random);
    log.faults = { repeat: 0.1, rewind: 0.05, rebalance: 0.05 };
    const publisher = new TestPublisher(distributed.store, log);
    const runner = await distributed.followPartitions(log);
    for (let round = 0; round < 3; round += 1) {
      await append();
      await publisher.publish();
      const results = await Promise.all(PROJECTIONS.map(({ name }) => again(name)));
      expect(results.map(({ equal, swapped }) => [equal, swapped])).toEqual(PROJECTIONS.map(() => [true, true]));
    }
    await runner.caughtUp(await distributed.store.head(), undefined, LONG_MS);
    expect(await distributed.outcome()).toEqual(await outcomeFromStore(distributed.store));
  });
});

describe('the audit while one partition is behind', () => {
  const verify = () => verifyAudit(distributed.store, new AuditQueries(distributed.stage.sql));

  it('finds nothing wrong, and says up to where it looked', async () => {
    const { log, runner, begin, head } = await partWay(4, 0);
    expect(await verify()).toMatchObject({ ok: true, position: begin, events: Number(begin) });
    log.hold();
    await runner.caughtUp(head, undefined, LONG_MS);
    expect(await verify()).toMatchObject({ ok: true, position: head, events: Number(head) });
  });

  it('finds an entry past all partitions', async () => {
    const { head } = await partWay(4, 0);
    await distributed.stage.sql.query(
      'UPDATE audit.entries SET position = $1 WHERE position = (SELECT max(position) FROM audit.entries)',
      [head + 1n],
    );
    expect(await verify()).toMatchObject({
      ok: false,
      firstDifference: { what: 'entry_unexpected', position: head + 1n },
    });
  });

  it('finds a head past all partitions', async () => {
    const { begin, head } = await partWay(4, 0);
    await distributed.stage.sql.query(`UPDATE audit.heads SET position = $1 WHERE account_id = 'acct_live1'`, [
      head + 1n,
    ]);
    expect(await verify()).toMatchObject({
      ok: false,
      firstDifference: { what: 'head_differs', position: begin, accountId: 'acct_live1' },
    });
  });
});
