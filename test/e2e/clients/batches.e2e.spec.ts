import type OpenAI from 'openai';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { bookedCall, startBookedService, type BookedService } from './bookedService.ts';
import { openai, simulatedPrice } from './sdk.ts';

const MODEL = 'tallystick-sim';

let service: BookedService;
let client: OpenAI;

beforeAll(async () => {
  service = await startBookedService();
  client = openai(service.baseUrl, service.firstRun.testKey);
});
afterAll(() => service.dispose());

const line = (id: string, content: string) =>
  JSON.stringify({
    custom_id: id,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: MODEL, messages: [{ role: 'user', content }], max_tokens: 50 },
  });

async function submit(lines: readonly string[]) {
  const file = await client.files.create({
    file: await toFile(Buffer.from(lines.join('\n')), 'batch.jsonl'),
    purpose: 'batch',
  });
  return client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
}

async function ended(id: string) {
  return vi.waitFor(
    async () => {
      const batch = await client.batches.retrieve(id);
      expect(['completed', 'cancelled']).toContain(batch.status);
      return batch;
    },
    { timeout: 30_000, interval: 200 },
  );
}

describe('A batch of the official client', () => {
  it('runs its lines, and is one charge of their sum', async () => {
    const batch = await submit([line('one', 'Hello'), line('two', 'Good day'), line('bad', '[[sim status=400]]')]);
    const { output_file_id: output, error_file_id: errors, request_counts: counts } = await ended(batch.id);
    expect(counts).toEqual({ total: 3, completed: 2, failed: 1 });
    const results = await linesOf(output);
    expect(results.map(({ custom_id: id }) => id).toSorted()).toEqual(['one', 'two']);
    const usage = { uncachedInput: 0, outputText: 0 };
    for (const { response } of results) {
      expect(response.status_code).toBe(200);
      usage.uncachedInput += response.body.usage?.prompt_tokens ?? 0;
      usage.outputText += response.body.usage?.completion_tokens ?? 0;
    }
    expect(await linesOf(errors)).toMatchObject([{ custom_id: 'bad' }]);

    expect(await bookedCall(service, requestIdOf(batch.id))).toMatchObject({
      status: 'completed',
      usage,
      amount: simulatedPrice(usage),
    });
  });

  it('is refused as a whole when a line cannot be read, and nothing is charged', async () => {
    await expect(submit([line('one', 'Hello'), line('one', 'again')])).rejects.toMatchObject({ status: 400 });
    await expect(submit(['{"custom_id":"x"}'])).rejects.toMatchObject({ status: 400 });
  });

  it('is nobody else’s', async () => {
    const batch = await submit([line('one', 'Hello')]);
    await ended(batch.id);
    const developer = await Developer.register(service.baseUrl);
    const stranger = openai(service.baseUrl, (await developer.issueKey({ mode: 'test' })).key);
    await expect(stranger.batches.retrieve(batch.id)).rejects.toMatchObject({ status: 404 });
    await expect(stranger.files.content(batch.input_file_id)).rejects.toMatchObject({ status: 404 });
  });
});

interface Line {
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: OpenAI.ChatCompletion };
}

async function linesOf(fileId: string | undefined): Promise<readonly Line[]> {
  if (fileId === undefined) throw new Error('no file');
  const text = await (await client.files.content(fileId)).text();
  return text
    .trim()
    .split('\n')
    .map((one) => JSON.parse(one) as Line);
}

/** Batch ids are request ids without hyphens. */
function requestIdOf(batchId: string): string {
  return batchId.replace(/^batch_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
