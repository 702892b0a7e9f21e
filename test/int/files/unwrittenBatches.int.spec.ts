import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { ApiError } from '../../../services/http/errors.ts';
import type { BatchRecords, NewBatch } from '../../../services/relay/batches/ports.ts';
import { runBatch } from '../../../services/relay/batches/runBatch.ts';
import { submitBatch, type BatchWish } from '../../../services/relay/batches/submit.ts';
import { BatchStage, wish } from './batchStage.ts';
import { CALLER, chatAnswer, chatLine, type BatchWorld } from './batchWorld.ts';

let stage: BatchStage;
let world: BatchWorld;
beforeEach(async () => {
  stage = await BatchStage.open();
  ({ world } = stage);
});
afterEach(() => stage.close());

type Create = BatchRecords['create'];

/** Submits while `create` is this; what was to be written, and how it failed. */
async function submittedBy(make: (create: Create) => Create, change: Partial<BatchWish> = {}) {
  const { records } = world.submit;
  const tried: NewBatch[] = [];
  const create = make((batch, until) => records.create(batch, until));
  const watched: Create = (batch, until) => {
    tried.push(batch);
    return create(batch, until);
  };
  const parts = { ...world.submit, records: { ...records, create: watched } };
  const input = await stage.uploaded([chatLine('a')]);
  const result = submitBatch(parts, CALLER, wish(input, change));
  const settled = await result.then(
    (batch) => ({ batch, failure: null }),
    (failure: unknown) => ({ batch: null, failure }),
  );
  const [batch] = tried;
  if (!batch) throw new Error('nothing was to be written');
  return { ...settled, tried: batch };
}

async function expectNothingLeft(batch: NewBatch, code: string): Promise<void> {
  expect(await stage.eventsOf(batch.requestId)).toMatchObject([
    { type: 'RequestAccepted' },
    { type: 'UsageRecorded', usage: {}, source: 'none', amountPicos: '0' },
    { type: 'RequestFailed', code, attempts: [] },
  ]);
  await stage.expectNothingHeld();
  expect(await world.library.findAnybodys(batch.copyId)).toBeNull();
  expect(await readdir(path.join(stage.directory, 'objects'))).toHaveLength(1);
  expect(await world.run.records.list('acct_1', null, 10)).toEqual([]);
  expect(world.asked).toEqual([]);
}

describe('A batch that could not be written down', () => {
  it('for a fault of ours leaves neither its hold nor its copy', async () => {
    const metadata = { x: '\ud800' };
    const { failure, tried } = await submittedBy((create) => create, { metadata });
    expect(failure).toMatchObject({ code: '22P02' });
    await expectNothingLeft(tried, 'internal_error');
  });

  it('can be submitted again with the same Idempotency-Key', async () => {
    const idempotency = { key: 'once', body: '{}' };
    const { tried } = await submittedBy(() => () => Promise.reject(new TypeError('a bug')), { idempotency });
    await expectNothingLeft(tried, 'internal_error');
    await vi.waitFor(async () => {
      const { batch } = await submittedBy((create) => create, { idempotency });
      expect(batch).toMatchObject({ status: 'in_progress' });
    });
  });

  it('because its process was killed can be submitted again once its hold has ended, and not before', async () => {
    const away = () => Promise.reject(new StoreUnavailable('nobody is there any more'));
    const killed = { ...world.submit.records, create: away, wasCreated: away };
    const input = await stage.uploaded([chatLine('a')]);
    const repeated = wish(input, { idempotency: { key: 'once', body: '{}' } });
    await expect(submitBatch({ ...world.submit, records: killed }, CALLER, repeated)).rejects.toThrow('nobody');
    const again = () => submitBatch(world.submit, CALLER, repeated);
    // What is forgotten goes with the next hold that is asked for.
    await expect(again()).rejects.toMatchObject({ code: 'idempotency_in_flight' });
    await expect(again()).rejects.toMatchObject({ code: 'idempotency_in_flight' });
    world.aheadMs = 61_000;
    await stage.reaper().round();
    await stage.expectNothingHeld();
    const batch = await vi.waitFor(again);
    expect(batch).toMatchObject({ status: 'in_progress' });
    expect((await again()).id).toBe(batch.id);
    expect(await world.run.records.list('acct_1', null, 10)).toHaveLength(1);
  });

  it('because its input could not be copied leaves no hold', async () => {
    const input = await stage.uploaded([chatLine('a')]);
    const store = vi.spyOn(world.library, 'store').mockRejectedValue(new ApiError('service_unavailable'));
    await expect(submitBatch(world.submit, CALLER, wish(input))).rejects.toThrow(ApiError);
    store.mockRestore();
    await stage.expectNothingHeld();
    expect(await readdir(path.join(stage.directory, 'objects'))).toHaveLength(1);
  });

  it('leaves no hold when its copy cannot be removed, and no copy when its hold cannot be settled', async () => {
    const broken = () => () => Promise.reject(new TypeError('a bug'));
    const remove = vi.spyOn(world.library, 'remove').mockRejectedValue(new ApiError('service_unavailable'));
    expect((await submittedBy(broken)).failure).toBeInstanceOf(TypeError);
    remove.mockRestore();
    await stage.expectNothingHeld();
    const { settlements } = world.submit;
    const append = vi.spyOn(settlements, 'append').mockRejectedValue(new StoreUnavailable('full'));
    const { failure, tried } = await submittedBy(broken);
    append.mockRestore();
    expect(failure).toBeInstanceOf(TypeError);
    expect(await world.library.findAnybodys(tried.copyId)).toBeNull();
    expect(await stage.holds.holdCount()).toBe(1);
  });

  it('goes on when it was written down after all, and only the word of it was lost', async () => {
    const { batch } = await submittedBy((create) => async (...given) => {
      await create(...given);
      throw new StoreUnavailable('no answer to COMMIT');
    });
    expect(batch).toMatchObject({ status: 'in_progress' });
    expect(world.asked).toEqual([batch?.id]);
    stage.upstream.otherwise((call) => call.answer(200, chatAnswer('done')));
    await runBatch(world.run, batch?.id ?? '', new AbortController().signal);
    expect(await world.run.records.find(batch?.id ?? '')).toMatchObject({ status: 'completed', completed: 1 });
    await stage.expectNothingHeld();
  });

  it('is not given up while its transaction may still come to pass', async () => {
    const { records } = world.submit;
    const client = await stage.holds.pool.connect();
    const { batch } = await submittedBy(() => async (given) => {
      await client.query('BEGIN');
      await client.query('UPDATE holds SET deadline = deadline WHERE request_id = $1', [given.requestId]);
      await client.query(
        `INSERT INTO batches (id, request_id, account_id, taken_in, status, created_at)
         VALUES ($1, $2, $3, $4, 'in_progress', now())`,
        [given.id, given.requestId, given.accountId, JSON.stringify(given)],
      );
      setTimeout(() => void client.query('COMMIT').finally(() => client.release()), 200);
      throw new StoreUnavailable('no answer to COMMIT');
    });
    expect(batch).toMatchObject({ status: 'in_progress' });
    expect(await records.find(batch?.id ?? '')).not.toBeNull();
  });
});
