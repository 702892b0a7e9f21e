import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import type { Batch } from '../../../services/relay/batches/ports.ts';
import { BatchInterrupted, runBatch } from '../../../services/relay/batches/runBatch.ts';
import { submitBatch } from '../../../services/relay/batches/submit.ts';
import type { ScriptedCall, ScriptedUpstream } from '../../support/scriptedUpstream.ts';
import type { HoldsDatabase } from '../holds/holdsDatabase.ts';
import { BatchStage, wish } from './batchStage.ts';
import { CALLER, chatAnswer, chatLine, type BatchWorld } from './batchWorld.ts';

let stage: BatchStage;
let holds: HoldsDatabase;
let upstream: ScriptedUpstream;
let directory: string;
let world: BatchWorld;
const never = new AbortController().signal;

beforeEach(async () => {
  stage = await BatchStage.open();
  ({ holds, upstream, directory, world } = stage);
});
afterEach(() => stage.close());

const uploaded = (lines: readonly string[]) => stage.uploaded(lines);
const submitted = async (...lines: readonly string[]) => submitBatch(world.submit, CALLER, wish(await uploaded(lines)));

async function found(id: string): Promise<Batch> {
  const batch = await world.run.records.find(id);
  if (!batch) throw new Error('there is no such batch');
  return batch;
}

async function linesOf(fileId: string | null): Promise<{ custom_id: string; response: unknown; error: unknown }[]> {
  if (fileId === null) return [];
  const bytes = await world.library.content(await world.library.find('acct_1', fileId));
  const content = await text(bytes as AsyncIterable<Buffer>);
  return content
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { custom_id: string; response: unknown; error: unknown });
}

const events = ({ requestId }: Batch) => stage.eventsOf(requestId);

const promptOf = (call: ScriptedCall) =>
  (call.json() as { messages: { content: string }[] }).messages[0]?.content ?? '';
const echo = (call: ScriptedCall) => call.answer(200, chatAnswer(`re: ${promptOf(call)}`));
const expectNothingHeld = () => stage.expectNothingHeld();

describe('A batch', () => {
  it('holds what all its lines may use, and no slot of its key', async () => {
    const batch = await submitted(chatLine('a'), chatLine('b'), '');
    expect(batch).toMatchObject({ status: 'in_progress', lines: 2, model: 'gpt-test' });
    expect(batch.bounds.outputTokens).toBe(200);
    expect(batch.bounds.other).toEqual({ requests: 2 });
    const total = BigInt(batch.bounds.inputTokens + 200);
    expect(await holds.totals()).toMatchObject({
      [`acct_1 ${new Date().toISOString().slice(0, 7)} tokens`]: total,
    });
    await vi.waitFor(async () => expect(await holds.slots()).toEqual({}));
    expect(await events(batch)).toMatchObject([
      { type: 'RequestAccepted', route: '/v1/batches', heldTokens: Number(total) },
    ]);
    expect(world.asked).toEqual([batch.id]);
  });

  it('is answered line by line and settled once, with the sum of all', async () => {
    upstream.otherwise(echo);
    const batch = await submitted(chatLine('a', 'one'), chatLine('b', 'two'), chatLine('c', 'three'));
    await runBatch(world.run, batch.id, never);
    const ended = await found(batch.id);
    expect(ended).toMatchObject({ status: 'completed', completed: 3, failed: 0, errorFileId: null });
    expect(ended.usage).toEqual({ uncachedInput: 18, cacheRead: 12, outputText: 15 });
    const [, usage, end, ...others] = await events(batch);
    // 18 × 0.15 + 12 × 0.075 + 15 × 0.60 USD per million tokens.
    expect(usage).toMatchObject({
      type: 'UsageRecorded',
      usage: ended.usage,
      source: 'reported',
      amountPicos: '12600000',
    });
    expect(end).toMatchObject({
      type: 'RequestCompleted',
      finishReason: 'completed',
      attempts: [{ channel: 'first' }],
    });
    expect(others).toEqual([]);
    const lines = await linesOf(ended.outputFileId);
    expect(lines.map(({ custom_id: id }) => id)).toEqual(['a', 'b', 'c']);
    expect(lines[1]).toMatchObject({
      id: expect.stringMatching(/^batch_req_[0-9a-f]{32}$/) as string,
      response: {
        status_code: 200,
        body: { model: 'gpt-test', choices: [{ message: { content: 're: two' } }], usage: { prompt_tokens: 10 } },
      },
      error: null,
    });
    await expectNothingHeld();
    // Nothing is left behind but the input and the output.
    expect(await readdir(path.join(directory, 'objects'))).toHaveLength(2);
    expect((await holds.pool.query('SELECT FROM batch_lines')).rowCount).toBe(0);
  });

  it('gives failed lines a file of their own, charges nothing for them, and tries again what may pass', async () => {
    upstream.next((call) => call.answer(400, { error: { message: 'too odd', type: 'invalid_request_error' } }));
    upstream.next((call) => call.answer(503, { error: { message: 'busy' } })).otherwise(echo);
    const batch = await submitted(chatLine('bad'), chatLine('good', 'again'));
    await runBatch(world.run, batch.id, never);
    const ended = await found(batch.id);
    expect(ended).toMatchObject({ status: 'completed', completed: 1, failed: 1 });
    expect(ended.usage).toEqual({ uncachedInput: 6, cacheRead: 4, outputText: 5 });
    expect(await linesOf(ended.errorFileId)).toMatchObject([
      {
        custom_id: 'bad',
        response: { status_code: 400, body: { error: { type: 'invalid_request_error' } } },
        error: null,
      },
    ]);
    expect(await linesOf(ended.outputFileId)).toMatchObject([{ custom_id: 'good', response: { status_code: 200 } }]);
  });

  it('that gave nothing costs nothing', async () => {
    upstream.otherwise((call) => call.answer(400, { error: { message: 'no', type: 'invalid_request_error' } }));
    const batch = await submitted(chatLine('a'));
    await runBatch(world.run, batch.id, never);
    const [, usage] = await events(batch);
    expect(usage).toMatchObject({ type: 'UsageRecorded', usage: {}, source: 'none', amountPicos: '0' });
    expect(await found(batch.id)).toMatchObject({ outputFileId: null, status: 'completed' });
    await expectNothingHeld();
  });

  it('that is cancelled bills and delivers what was done, and releases the rest', async () => {
    const batch = await submitted(chatLine('a', 'one'), chatLine('b', 'two'), chatLine('c', 'three'));
    upstream.otherwise(async (call) => {
      await world.run.records.cancel(batch.id, Date.now());
      echo(call);
    });
    await runBatch(world.run, batch.id, never);
    const ended = await found(batch.id);
    expect(ended).toMatchObject({ status: 'cancelled', completed: 1, failed: 0 });
    expect(ended.cancellingAt).not.toBeNull();
    expect(upstream.calls).toHaveLength(1);
    const [, usage, end] = await events(batch);
    expect(usage).toMatchObject({ usage: { uncachedInput: 6, cacheRead: 4, outputText: 5 } });
    expect(end).toMatchObject({ type: 'RequestCompleted', finishReason: 'cancelled' });
    expect(await linesOf(ended.outputFileId)).toMatchObject([{ custom_id: 'a' }]);
    expect(await linesOf(ended.errorFileId)).toMatchObject([
      { custom_id: 'b', response: null, error: { code: 'batch_cancelled' } },
      { custom_id: 'c', response: null, error: { code: 'batch_cancelled' } },
    ]);
    await expectNothingHeld();
  });

  it('that is not done after 24 hours ends with what was done', async () => {
    const batch = await submitted(chatLine('a', 'one'), chatLine('b', 'two'));
    upstream.otherwise((call) => {
      world.aheadMs = 86_400_001;
      echo(call);
    });
    await runBatch(world.run, batch.id, never);
    const ended = await found(batch.id);
    expect(ended).toMatchObject({ status: 'expired', completed: 1 });
    expect(await linesOf(ended.errorFileId)).toMatchObject([{ custom_id: 'b', error: { code: 'batch_expired' } }]);
    await expectNothingHeld();
  });

  it('that has its last result after 24 hours is complete all the same', async () => {
    const batch = await submitted(chatLine('a', 'one'));
    upstream.otherwise((call) => {
      world.aheadMs = 86_400_001;
      echo(call);
    });
    await runBatch(world.run, batch.id, never);
    expect(await found(batch.id)).toMatchObject({ status: 'completed', completed: 1, errorFileId: null });
  });

  it('goes on where it was interrupted, and asks no line twice that has a result', async () => {
    const batch = await submitted(chatLine('a', 'one'), chatLine('b', 'two'), chatLine('c', 'three'));
    const stop = new AbortController();
    upstream
      .next(echo)
      .next(() => stop.abort())
      .otherwise(echo);
    await expect(runBatch(world.run, batch.id, stop.signal)).rejects.toThrow(BatchInterrupted);
    expect(await found(batch.id)).toMatchObject({ status: 'in_progress', completed: 1 });
    await runBatch(world.run, batch.id, never);
    expect(upstream.calls.map(promptOf)).toEqual(['one', 'two', 'two', 'three']);
    expect(await found(batch.id)).toMatchObject({ status: 'completed', completed: 3 });
    expect((await events(batch)).filter((event) => event?.type === 'UsageRecorded')).toHaveLength(1);
  });

  it('is billed once, and its files are whole, when several work on it at the same time', async () => {
    upstream.otherwise(echo);
    const lines = Array.from({ length: 20 }, (_, n) => chatLine(`line-${String(n)}`));
    const batch = await submitted(...lines);
    await Promise.allSettled([1, 2, 3].map(() => runBatch(world.run, batch.id, never)));
    await runBatch(world.run, batch.id, never);
    const ended = await found(batch.id);
    expect(ended).toMatchObject({ status: 'completed', completed: 20, failed: 0, errorFileId: null });
    expect(ended.usage).toEqual({ uncachedInput: 120, cacheRead: 80, outputText: 100 });
    expect(await linesOf(ended.outputFileId)).toHaveLength(20);
    const all = await events(batch);
    expect(all.map((event) => event?.type)).toEqual(['RequestAccepted', 'UsageRecorded', 'RequestCompleted']);
    expect(all[1]).toMatchObject({ usage: ended.usage });
    await expectNothingHeld();
  });

  it('takes no result after it was frozen, nor a second one of a line', async () => {
    const { records } = world.run;
    const { id } = await submitted(chatLine('a'), chatLine('b'));
    const result = { succeeded: true, text: '{}', source: 'reported', channel: 'first', costPicos: 5n } as const;
    expect(await records.keep(id, { ...result, line: 0, usage: { outputText: 1 } })).toBe('in_progress');
    expect(await records.keep(id, { ...result, line: 0, usage: { outputText: 9 } })).toBe('in_progress');
    await records.finalize(id, 'expired', Date.now());
    await records.finalize(id, 'completed', Date.now());
    expect(await records.keep(id, { ...result, line: 1, usage: { outputText: 2 } })).toBe('finalizing');
    expect(await records.totals(id)).toEqual({
      ...{ usage: { outputText: 1 }, sources: ['reported'], channels: [{ channel: 'first', costPicos: 5n }] },
      ...{ succeeded: 1, failed: 0, outputBytes: 3 },
    });
    expect(await found(id)).toMatchObject({ ending: 'expired', completed: 1 });
  });

  it.each(['linesDone', 'texts'] as const)(
    'keeps its files whole when another process ends it before %s',
    async (step) => {
      upstream
        .next((call) => call.answer(400, { error: { message: 'no', type: 'invalid_request_error' } }))
        .otherwise(echo);
      const batch = await submitted(chatLine('bad'), chatLine('good'));
      const { records } = world.run;
      const stop = new Error('frozen, and no more');
      const dying = { ...records, totals: () => Promise.reject(stop) };
      await expect(runBatch({ ...world.run, records: dying }, batch.id, never)).rejects.toBe(stop);
      const endedByAnother = () => runBatch(world.run, batch.id, never);
      const late: typeof records = {
        ...records,
        async linesDone(id) {
          if (step === 'linesDone') await endedByAnother();
          return records.linesDone(id);
        },
        async *texts(id, succeeded) {
          if (step === 'texts') await endedByAnother();
          yield* records.texts(id, succeeded);
        },
      };
      await expect(runBatch({ ...world.run, records: late }, batch.id, never)).rejects.toThrow(
        'it has ended meanwhile',
      );
      const ended = await found(batch.id);
      expect(await linesOf(ended.outputFileId)).toMatchObject([{ custom_id: 'good' }]);
      expect(await linesOf(ended.errorFileId)).toMatchObject([{ custom_id: 'bad', response: { status_code: 400 } }]);
      expect(await events(batch)).toHaveLength(3);
    },
  );

  it.each(['settle', 'end'] as const)(
    'is settled once when its process is lost right after it was about to %s',
    async (step) => {
      upstream.otherwise(echo);
      const batch = await submitted(chatLine('a'), chatLine('b'));
      const { records } = world.run;
      const dying = {
        ...records,
        [step]: async (...given: never[]) => {
          // What was written is written; nobody hears of it.
          if (step === 'settle') await (records.settle as (...all: never[]) => Promise<unknown>)(...given);
          throw new Error('the process is gone');
        },
      };
      await expect(runBatch({ ...world.run, records: dying }, batch.id, never)).rejects.toThrow('the process is gone');
      world.aheadMs = 60_000;
      await runBatch(world.run, batch.id, never);
      const all = await events(batch);
      expect(all.map((event) => event?.type)).toEqual(['RequestAccepted', 'UsageRecorded', 'RequestCompleted']);
      expect(await found(batch.id)).toMatchObject({ status: 'completed', completed: 2 });
      expect(upstream.calls).toHaveLength(2);
      await expectNothingHeld();
    },
  );
});

describe('The hold of a batch', () => {
  it('outlives the process that took it', async () => {
    const batch = await submitted(chatLine('a'));
    await world.holds.close();
    await holds.pool.query(`UPDATE relay_owners SET seen_at = seen_at - interval '1 hour'`);
    world.aheadMs = 25 * 3_600_000;
    const round = stage.reaper();
    await round.round();
    expect(round.counts).toMatchObject({ reaped: 0, lostOwners: 1 });
    expect(await holds.holdCount()).toBe(1);
    upstream.otherwise(echo);
    world.aheadMs = 0;
    await runBatch(world.run, batch.id, never);
    await expectNothingHeld();
  });

  it('ends a day after the window when nobody works on the batch, and what was done then is billed as a correction', async () => {
    const batch = await submitted(chatLine('a'));
    world.aheadMs = 2 * 86_400_000 + 1_000;
    const round = stage.reaper();
    await round.round();
    expect(round.counts.reaped).toBe(1);
    await expectNothingHeld();
    upstream.otherwise(echo);
    world.aheadMs = 0;
    await runBatch(world.run, batch.id, never);
    expect(await events(batch)).toMatchObject([
      { type: 'RequestAccepted' },
      { type: 'HoldExpired' },
      { type: 'UsageRecorded', policy: 'unknown_waived', amountPicos: '0' },
      { type: 'RequestAborted' },
      { type: 'UsageCorrected', corrected: { usage: { uncachedInput: 6, cacheRead: 4, outputText: 5 } } },
    ]);
  });

  it('of a batch of which nobody knows whether it is written down ends like that of any lost call, within a minute', async () => {
    const away = () => Promise.reject(new StoreUnavailable('the database is gone'));
    const failing = { ...world.submit.records, create: away, wasCreated: away };
    const input = await uploaded([chatLine('a')]);
    await expect(submitBatch({ ...world.submit, records: failing }, CALLER, wish(input))).rejects.toThrow('is gone');
    expect(await holds.holdCount()).toBe(1);
    world.aheadMs = 61_000;
    await stage.reaper().round();
    await expectNothingHeld();
    expect(await world.run.records.unfinished()).toEqual([]);
  });

  it('that is gone before the batch is written down leaves no batch', async () => {
    const { records } = world.submit;
    const late: typeof records = {
      ...records,
      create: async (batch, until) => {
        await holds.settle([batch.requestId]);
        return records.create(batch, until);
      },
    };
    const input = await uploaded([chatLine('a')]);
    await expect(submitBatch({ ...world.submit, records: late }, CALLER, wish(input))).rejects.toThrow('was gone');
    expect(await records.list('acct_1', null, 10)).toEqual([]);
  });
});
