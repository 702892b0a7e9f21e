import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Publisher } from '../../../services/publisher/publisher.ts';
import { appendExamples, type Reader } from '../../support/distribution.ts';
import { publisherStage } from './stage.ts';

let stage: ReturnType<typeof publisherStage>;
let reader: Reader;
const publishers: Publisher[] = [];

beforeEach(() => {
  stage = publisherStage();
  ({ reader } = stage.log);
});

afterEach(() => Promise.all(publishers.splice(0).map((publisher) => publisher.stop())));

function started(): Publisher {
  const publisher = stage.publisher();
  publishers.push(publisher);
  publisher.start();
  return publisher;
}

/** Up to where each partition is known to be complete. */
const told = () => [0, 1, 2].map((partition) => reader.position(partition));
const seen = () => ({ events: reader.events.length, gaps: reader.gaps.length, repeats: reader.repeats });

describe('A publisher', () => {
  it('publishes what there is and what comes, once, and marks every partition as complete', async () => {
    await appendExamples(stage.store, 'before', 700);
    const publisher = started();
    await stage.time.pass(500);
    await appendExamples(stage.store, 'after', 1);
    await stage.time.pass(0);
    expect(told()).toEqual([701n, 701n, 701n]);
    expect(seen()).toEqual({ events: 701, gaps: 0, repeats: 0 });
    expect(await publisher.status()).toMatchObject({ events: 701, leading: true, position: 701n, lag: 0n });
    await publisher.stop();
    expect(stage.checkpoints.progress?.position).toBe(701n);
    expect(await publisher.status()).toMatchObject({ leading: false, position: null, lag: null });
  });

  it('sends at most 500 events at a time, and what comes within 50 ms together', async () => {
    await appendExamples(stage.store, 'many', 1_200);
    const publisher = started();
    await stage.time.pass(0);
    expect(await publisher.status()).toMatchObject({ events: 1_000, sends: 2 });
    await stage.time.pass(50);
    expect(await publisher.status()).toMatchObject({ events: 1_200, sends: 3 });
    for (let each = 0; each < 4; each += 1) {
      await appendExamples(stage.store, `drop${String(each)}`, 1);
      await stage.time.pass(10);
    }
    await stage.time.pass(10);
    expect(await publisher.status()).toMatchObject({ events: 1_204, sends: 4 });
  });

  it('writes nothing while nothing happens', async () => {
    await appendExamples(stage.store, 'some', 10);
    const publisher = started();
    await stage.time.pass(1_000);
    const before = await publisher.status();
    await stage.time.pass(3_600_000);
    expect(await publisher.status()).toEqual(before);
    expect(told()).toEqual([10n, 10n, 10n]);
  });

  it('marks at once when it has caught up, and then at most five times a second', async () => {
    const publisher = started();
    await appendExamples(stage.store, 'first', 1);
    await stage.time.pass(0);
    expect(told()).toEqual([1n, 1n, 1n]);
    await appendExamples(stage.store, 'second', 1);
    await stage.time.pass(199);
    expect([await publisher.status(), told().filter((position) => position === 2n).length]).toMatchObject([
      { events: 2 },
      1,
    ]);
    await stage.time.pass(1);
    expect(told()).toEqual([2n, 2n, 2n]);
  });

  it('sends again what was not confirmed, and readers drop what they had', async () => {
    stage.log.faults.push('after', 'before');
    await appendExamples(stage.store, 'some', 5);
    const publisher = started();
    await stage.time.pass(1_000);
    expect([told(), seen().events, seen().gaps]).toEqual([[5n, 5n, 5n], 5, 0]);
    expect(reader.repeats).toBeGreaterThan(0);
    expect(await publisher.status()).toMatchObject({ failures: 2, position: 5n });
  });

  it('goes on when the checkpoint answers again, whether or not it had moved', async () => {
    stage.checkpoints.faults.push('before', 'after');
    await appendExamples(stage.store, 'some', 5);
    started();
    await stage.time.pass(1_000);
    await appendExamples(stage.store, 'more', 5);
    await stage.time.pass(1_000);
    expect([seen(), stage.checkpoints.progress?.position, stage.checkpoints.term]).toEqual([
      { events: 10, gaps: 0, repeats: 0 },
      10n,
      1n,
    ]);
  });

  it('leaves the lead to one, and another takes it over where it stood', async () => {
    const first = started();
    await appendExamples(stage.store, 'one', 5);
    await stage.time.pass(0);
    const second = started();
    await stage.time.pass(5_000);
    expect(await second.status()).toMatchObject({ leading: false, events: 0 });
    await first.stop();
    await appendExamples(stage.store, 'two', 5);
    await stage.time.pass(0);
    expect(await first.status()).toMatchObject({ leading: false, events: 5 });
    expect(await second.status()).toMatchObject({ leading: true, events: 5 });
    expect(seen()).toMatchObject({ events: 10, gaps: 0 });
  });

  it('stops leading when the checkpoint tells that another does, after repeating itself once at most', async () => {
    const zombie = started();
    await appendExamples(stage.store, 'one', 5);
    await stage.time.pass(500);
    stage.lock.free();
    const second = started();
    await stage.time.pass(500);
    await appendExamples(stage.store, 'two', 5);
    await stage.time.pass(500);
    await appendExamples(stage.store, 'three', 5);
    await stage.time.pass(5_000);
    expect(await zombie.status()).toMatchObject({ leading: false, events: 10 });
    expect(await second.status()).toMatchObject({ leading: true, events: 10, position: 15n });
    expect(seen()).toMatchObject({ events: 15, gaps: 0 });
  });

  it('stops when it lost the lock, and takes it again', async () => {
    const publisher = started();
    await appendExamples(stage.store, 'one', 5);
    await stage.time.pass(0);
    stage.lock.lose();
    await appendExamples(stage.store, 'two', 5);
    await stage.time.pass(0);
    expect(await publisher.status()).toMatchObject({ leading: false, events: 5 });
    await stage.time.pass(1_000);
    expect(await publisher.status()).toMatchObject({ leading: true, events: 10 });
    expect([seen().gaps, stage.checkpoints.term]).toEqual([0, 2n]);
  });

  it('does not lead with a checkpoint that is ahead of the store, or of other partitions', async () => {
    await appendExamples(stage.store, 'one', 5);
    stage.checkpoints.progress = { position: 9n, lastPositions: [9n, 0n, 0n] };
    const publisher = started();
    await stage.time.pass(10_000);
    expect(await publisher.status()).toMatchObject({ leading: false, sends: 0 });
    stage.checkpoints.progress = { position: 3n, lastPositions: [3n, 0n] };
    await stage.time.pass(10_000);
    expect(await publisher.status()).toMatchObject({ leading: false, sends: 0 });
  });

  it('waits for a store that does not answer', async () => {
    stage.store.reachable = false;
    const publisher = started();
    await stage.time.pass(500);
    expect(await publisher.status()).toMatchObject({ leading: false });
    stage.store.reachable = true;
    await appendExamples(stage.store, 'one', 5);
    await stage.time.pass(1_000);
    stage.store.reachable = false;
    expect(await publisher.status()).toMatchObject({ leading: true, position: 5n, lag: null });
    stage.store.reachable = true;
  });
});
