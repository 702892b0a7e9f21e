import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openaiFileRoutes } from '../../../services/files/openaiFiles.ts';
import { createApp } from '../../../services/http/app.ts';
import { ApiError } from '../../../services/http/errors.ts';
import { createHttpServer } from '../../../services/http/server.ts';
import { batchRoutes } from '../../../services/relay/batches/batches.routes.ts';
import { runBatch } from '../../../services/relay/batches/runBatch.ts';
import { ScriptedUpstream } from '../../support/scriptedUpstream.ts';
import { HoldsDatabase } from '../holds/holdsDatabase.ts';
import { BatchWorld, CALLER, chatAnswer, chatLine } from './batchWorld.ts';

let holds: HoldsDatabase;
let upstream: ScriptedUpstream;
let directory: string;
let world: BatchWorld;
let server: Server;
beforeAll(async () => {
  holds = await HoldsDatabase.create();
  await holds.account('acct_1', { tokens: 100_000 });
  await holds.key('key_1', 'acct_1');
  upstream = await ScriptedUpstream.start();
  directory = await mkdtemp(path.join(tmpdir(), 'batches-'));
  world = await BatchWorld.open({ databaseUrl: holds.database.url, directory, upstreamUrl: upstream.baseUrl });
  const app = createApp({
    routes: [...batchRoutes(world.submit), ...openaiFileRoutes(world.library)],
    relayRoutes: [],
    authenticateKey: ({ authorization }) =>
      authorization === 'Bearer other' ? { ...CALLER, accountId: 'acct_2', keyId: 'key_2' } : CALLER,
    authenticateUser: () => Promise.reject(new ApiError('invalid_token')),
    isAdmin: () => Promise.resolve(false),
    runtime: world.runtime,
  });
  server = createHttpServer(app, [], 100, world.runtime.ids);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await upstream.close();
  await world.close();
  await holds.close();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  upstream.otherwise((call) => call.answer(200, chatAnswer('done')));
  await holds.settle(
    (await holds.pool.query<{ request_id: string }>('SELECT request_id FROM holds')).rows.map((row) => row.request_id),
  );
});

const sdk = (apiKey = 'mine') =>
  new OpenAI({
    apiKey,
    baseURL: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/v1`,
    ...{ maxRetries: 0, logLevel: 'off' as const },
  });

async function input(lines: readonly string[], purpose: 'batch' | 'user_data' = 'batch'): Promise<string> {
  const bytes = Buffer.from(lines.join('\r\n'));
  const file = { accountId: 'acct_1', name: 'in.jsonl', bytes, purpose, createdBy: null, keptMs: null };
  return (await world.library.add(file)).id;
}

const create = async (lines: readonly string[], change: object = {}, options: OpenAI.RequestOptions = {}) =>
  sdk().batches.create(
    {
      input_file_id: await input(lines),
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      ...change,
    },
    options,
  );

describe("OpenAI's own client", () => {
  it('creates a batch, follows it and reads its output', async () => {
    const made = await create([chatLine('a'), chatLine('b')], { metadata: { job: 'nightly' } });
    expect(made).toEqual({
      id: expect.stringMatching(/^batch_[0-9a-f]{32}$/) as string,
      object: 'batch',
      endpoint: '/v1/chat/completions',
      model: 'gpt-test',
      errors: null,
      input_file_id: expect.stringMatching(/^file-/) as string,
      completion_window: '24h',
      status: 'in_progress',
      ...{ output_file_id: null, error_file_id: null },
      ...{ created_at: made.created_at, in_progress_at: made.created_at, expires_at: made.created_at + 86_400 },
      ...{ finalizing_at: null, completed_at: null, failed_at: null, expired_at: null },
      ...{ cancelling_at: null, cancelled_at: null },
      request_counts: { total: 2, completed: 0, failed: 0 },
      metadata: { job: 'nightly' },
    });
    await runBatch(world.run, made.id, new AbortController().signal);
    const ended = await sdk().batches.retrieve(made.id);
    expect(ended).toMatchObject({
      status: 'completed',
      request_counts: { total: 2, completed: 2, failed: 0 },
      usage: {
        input_tokens: 20,
        input_tokens_details: { cached_tokens: 8 },
        output_tokens: 10,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 30,
      },
    });
    expect(ended.completed_at).toBeGreaterThanOrEqual(made.created_at);
    const output = await (await sdk().files.content(ended.output_file_id ?? '')).text();
    expect(
      output
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id),
    ).toEqual(['a', 'b']);
    expect(await sdk().files.retrieve(ended.output_file_id ?? '')).toMatchObject({
      ...{ purpose: 'batch_output', filename: `${made.id}_output.jsonl`, bytes: Buffer.byteLength(output) },
      expires_at: (ended.finalizing_at ?? 0) + 30 * 86_400,
    });
  });

  it('lists batches, newest first, page by page', async () => {
    const ids = [(await create([chatLine('a')])).id, (await create([chatLine('a')])).id];
    const walked: string[] = [];
    for await (const { id } of sdk().batches.list({ limit: 1 })) walked.push(id);
    expect(walked.slice(0, 2)).toEqual(ids.toReversed());
    expect((await sdk('other').batches.list()).data).toEqual([]);
  });

  it('cancels a batch, and again without harm', async () => {
    const { id } = await create([chatLine('a')]);
    expect(await sdk().batches.cancel(id)).toMatchObject({ status: 'cancelling' });
    expect(await sdk().batches.cancel(id)).toMatchObject({ status: 'cancelling' });
    await runBatch(world.run, id, new AbortController().signal);
    const ended = await sdk().batches.cancel(id);
    expect(ended).toMatchObject({ status: 'cancelled', request_counts: { total: 1, completed: 0, failed: 0 } });
    expect(ended.output_file_id).toBeNull();
  });

  it("finds no other account's batch", async () => {
    const { id } = await create([chatLine('a')]);
    await expect(sdk('other').batches.retrieve(id)).rejects.toThrow('404 There is no such batch.');
    await expect(sdk('other').batches.cancel(id)).rejects.toThrow('404');
    for (const none of ['\0', 'a\0b']) {
      await expect(sdk().batches.retrieve(none)).rejects.toThrow('404 There is no such batch.');
      await expect(sdk().batches.cancel(none)).rejects.toThrow('404 There is no such batch.');
      await expect(sdk().batches.list({ after: none })).rejects.toThrow('400 after: must be whole characters');
    }
    const body = { endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
    const mine = await input([chatLine('a')]);
    await expect(sdk('other').batches.create({ ...body, input_file_id: mine })).rejects.toThrow(
      '404 There is no such file.',
    );
  });

  it('gets the same batch for the same Idempotency-Key, and no second hold', async () => {
    const id = await input([chatLine('a')]);
    const body = { input_file_id: id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
    const options = { headers: { 'Idempotency-Key': 'once' } };
    const first = await sdk().batches.create(body, options);
    expect((await sdk().batches.create(body, options)).id).toBe(first.id);
    expect(await holds.holdCount()).toBe(1);
    await expect(sdk().batches.create({ ...body, metadata: { a: 'b' } }, options)).rejects.toThrow('422');
  });
});

/** What holds texts that cannot be stored. */
function noTexts(): [object, string][] {
  return ['\0', 'a\0b', '\ud800', 'a\udc00b'].flatMap((text): [object, string][] => [
    [{ metadata: { a: text } }, 'metadata.a: must be whole characters'],
    [{ metadata: { [text]: 'a' } }, 'metadata.'],
    [{ input_file_id: text }, '404 There is no such file.'],
  ]);
}

/** Our own copies of input files that no batch has. */
async function copies(): Promise<unknown[]> {
  const kept = `SELECT id FROM files WHERE account_id = 'tallystick_batches' AND NOT EXISTS
    (SELECT FROM batches b WHERE b.taken_in ->> 'copyId' = files.id)`;
  return (await holds.pool.query<{ id: string }>(kept)).rows;
}

describe('A batch', () => {
  it.each([
    ['nothing in its file', ['', ' '], 'The input file is empty.'],
    ['a line that is no JSON', [chatLine('a'), '{"custom_id":'], 'Line 2 of the input file'],
    ['a line without a name', [chatLine('a', 'hi', { custom_id: undefined })], 'Line 1 of the input file: custom_id'],
    [
      'a name that stands twice',
      [chatLine('a'), '', chatLine('a')],
      'Line 2 of the input file: custom_id stands in an earlier line',
    ],
    ['a method that is not POST', [chatLine('a', 'hi', { method: 'GET' })], 'Line 1 of the input file: method'],
    [
      'another endpoint in a line',
      [chatLine('a', 'hi', { url: '/v1/embeddings' })],
      'url must be /v1/chat/completions',
    ],
    ['a body that is a list', [chatLine('a', 'hi', { body: [] })], 'Line 1 of the input file: body'],
    [
      'a body that the endpoint refuses',
      [chatLine('a', 'hi', {}, { messages: 'no' })],
      'Line 1 of the input file: messages',
    ],
    ['a stream', [chatLine('a', 'hi', {}, { stream: true })], 'a batch is not streamed'],
    [
      'two models',
      [chatLine('a'), chatLine('b', 'hi', {}, { model: 'gpt-long' })],
      'Line 2 of the input file: model must be the same',
    ],
    [
      'a model whose price depends on length',
      [chatLine('a', 'hi', {}, { model: 'gpt-long' })],
      'cannot be used in a batch',
    ],
    ['a model without a price', [chatLine('a', 'hi', {}, { model: 'gpt-none' })], '404'],
    [
      'a line that is too long',
      [chatLine('a', 'x'.repeat(10_001))],
      'Line 1 of the input file is longer than 10000 bytes',
    ],
    ['too many lines', Array.from({ length: 51 }, (_, n) => chatLine(String(n))), 'a batch may have 50 lines'],
    ['a member that stands twice', [chatLine('a').replace('{', '{"url":"/v1/x",')], 'url: must stand once'],
    ['a key that reaches a prototype', [chatLine('a').replace('"body":{', '"body":{"__proto__":{},')], '__proto__'],
  ])('with %s is refused as a whole, and holds nothing', async (_what, lines, problem) => {
    await expect(create(lines)).rejects.toThrow(problem);
    expect(await holds.holdCount()).toBe(0);
  });

  it.each<[object, string]>([
    [{ endpoint: '/v1/images/generations' }, 'endpoint: must be one of'],
    [{ endpoint: '/v1/embeddings' }, 'endpoint: must be one of'],
    [{ completion_window: '1h' }, 'completion_window'],
    [{ metadata: { a: 'x'.repeat(513) } }, 'metadata'],
    [{ output_expires_after: { anchor: 'created_at', seconds: 1 } }, 'output_expires_after'],
    [{ input_file_id: 'file-none' }, '404 There is no such file.'],
    ...noTexts(),
  ])('of %j is refused, and holds and copies nothing', async (change, problem) => {
    await expect(create([chatLine('a')], change)).rejects.toThrow(problem);
    expect(await holds.holdCount()).toBe(0);
    expect(await copies()).toEqual([]);
  });

  it('needs a file that was uploaded for it', async () => {
    const change = { input_file_id: await input([chatLine('a')], 'user_data') };
    await expect(create([chatLine('a')], change)).rejects.toThrow('purpose "batch"');
  });

  it('that the quota does not cover is refused as a whole', async () => {
    const lines = Array.from({ length: 50 }, (_, n) => chatLine(String(n), 'x'.repeat(3_000)));
    await expect(create(lines)).rejects.toMatchObject({ status: 429, code: 'insufficient_quota' });
    expect(await holds.holdCount()).toBe(0);
  });

  it('goes on when its input file is deleted', async () => {
    const made = await create([chatLine('a')]);
    await sdk().files.delete(made.input_file_id);
    await runBatch(world.run, made.id, new AbortController().signal);
    expect(await sdk().batches.retrieve(made.id)).toMatchObject({
      status: 'completed',
      request_counts: { completed: 1 },
    });
  });
});
