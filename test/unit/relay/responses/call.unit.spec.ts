import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../services/http/errors.ts';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import { inputToCount, inputTokensAnswer } from '../../../../services/relay/dialects/responses/inputTokens.ts';
import type { OwnResponses, StoredResponse } from '../../../../services/relay/dialects/responses/storedResponses.ts';
import {
  askedOf,
  BILLED,
  bytes,
  callOf,
  CHANNEL,
  CONTEXT,
  END,
  eventLines,
  eventsIn,
  finish,
  ID,
  MAX_DEPTH,
  START,
  streamOf,
  text,
  thinking,
  toolArguments,
  toolEnd,
  toolStart,
  wholeOf,
} from './fixtures.ts';

async function refusalOf(work: Promise<unknown>): Promise<{ code: string; param: string | null }> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  if (error instanceof ApiError) return { code: error.code, param: error.param };
  throw new Error('it was accepted');
}

/** The responses of an account, in memory. */
class Shelf implements OwnResponses {
  readonly kept = new Map<string, StoredResponse>();
  find(id: string): Promise<StoredResponse | null> {
    return Promise.resolve(this.kept.get(id) ?? null);
  }
  keep(response: StoredResponse): void {
    this.kept.set(response.id, response);
  }
}

const ANSWER: AnswerEvent[] = [
  ...[START, thinking('So…'), text('你好 '), text('Köln 🌧'), toolStart(0, 'a', 'weather')],
  ...[toolArguments(0, '{"city":"Kö'), toolArguments(0, 'ln"}'), toolEnd(0)],
  { type: 'usage', usage: { input: { uncachedInput: 3 }, output: { outputText: 5 } } },
  ...[finish('tool_calls'), END],
];

/** What a client gets for an upstream's bytes in these pieces. */
async function answerOf(
  pieces: readonly Buffer[],
  change: Readonly<Record<string, unknown>> = {},
  stored: OwnResponses | null = null,
): Promise<string> {
  const call = await callOf(change, stored);
  const reading = (await call.passage(CHANNEL, CONTEXT)).read({});
  const forwarded = pieces.map((piece) => String(reading.feed(piece))).join('') + String(reading.end());
  expect([reading.done, reading.failure, reading.received.finishReason]).toEqual([true, null, 'tool_calls']);
  expect(reading.reported).toEqual({ input: { uncachedInput: 3 }, output: { outputText: 5 } });
  return forwarded + String(reading.ending(BILLED));
}

function cutInto(whole: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
    whole.subarray(index * size, (index + 1) * size),
  );
}

describe('a call of /v1/responses', () => {
  it('says what it is, and keeps the client’s bytes', async () => {
    const call = await callOf({ stream: true });
    expect(call).toMatchObject({ route: '/v1/responses', model: 'our-model', streamed: true });
    expect(JSON.parse(String(call.raw))).toEqual({ model: 'our-model', input: 'hi', stream: true });
    expect((await callOf()).streamed).toBe(false);
  });

  it('asks for no more output than its hold covers', async () => {
    expect((await callOf({ max_output_tokens: 70 })).bounds(4_096).outputTokens).toBe(70);
    expect((await callOf({ max_output_tokens: 9_000 })).bounds(4_096).outputTokens).toBe(4_096);
    expect((await callOf()).bounds(4_096).outputTokens).toBe(4_096);
    expect(await askedOf(await callOf({ max_output_tokens: 9_000 }))).toMatchObject({ maxOutput: 4_096 });
    expect(await askedOf(await callOf())).toMatchObject({ maxOutput: 4_096, endUser: 'account-a' });
  });

  it('is refused before any hold when it cannot be carried', async () => {
    const hosted = callOf({ tools: [{ type: 'web_search' }] });
    expect(await refusalOf(hosted)).toEqual({ code: 'unsupported_parameter', param: 'tools.0.type' });
    const reasoning = callOf({ input: [{ type: 'reasoning', id: 'rs_1', summary: [] }] });
    expect(await refusalOf(reasoning)).toEqual({ code: 'invalid_request', param: 'input' });
  });

  it('gives the same stream however the upstream’s bytes are cut', async () => {
    const whole = eventLines(ANSWER);
    const { text: expected } = streamOf(ANSWER);
    for (let at = 0; at <= whole.length; at += 1) {
      expect(await answerOf([whole.subarray(0, at), whole.subarray(at)], { stream: true })).toBe(expected);
    }
    expect(await answerOf(cutInto(whole, 1), { stream: true })).toBe(expected);
    expect(await answerOf(cutInto(whole, 7), { stream: true })).toBe(expected);
    const crlf = Buffer.from(String(whole).replaceAll('\n', '\r\n'));
    expect(await answerOf(cutInto(crlf, 1), { stream: true })).toBe(expected);
  });

  it('gives a whole answer to a client that wants one, also of a stream', async () => {
    expect(await answerOf([eventLines(ANSWER)])).toBe(wholeOf(ANSWER));
  });

  it('holds the end of a stream back until it is settled', async () => {
    const call = await callOf({ stream: true });
    const reading = (await call.passage(CHANNEL, CONTEXT)).read({});
    const forwarded = String(reading.feed(eventLines(ANSWER))) + String(reading.end());
    expect(forwarded).not.toContain('response.completed');
    expect(forwarded).not.toContain('cost');
    expect(eventsIn(String(reading.ending(BILLED))).at(-1)?.type).toBe('response.completed');
  });
});

describe('the bound of a prompt', () => {
  const boundOf = async (change: Readonly<Record<string, unknown>>) => (await callOf(change)).bounds(1).inputTokens;

  it('counts every byte of instructions, items, functions and the format', async () => {
    const least = await boundOf({});
    const said = 'ä'.repeat(500);
    expect(await boundOf({ instructions: said })).toBeGreaterThanOrEqual(least + 1_000);
    expect(await boundOf({ input: said })).toBeGreaterThanOrEqual(least + 998);
    const tool = { type: 'function', name: 'now', parameters: { properties: { [said]: {} } } };
    expect(await boundOf({ tools: [tool] })).toBeGreaterThanOrEqual(least + 1_000);
    const format = { type: 'json_schema', name: 'a', schema: { title: said } };
    expect(await boundOf({ text: { format } })).toBeGreaterThanOrEqual(least + 1_000);
    const call = { type: 'function_call', call_id: 'a', name: 'now', arguments: JSON.stringify({ said }) };
    const output = { type: 'function_call_output', call_id: 'a', output: said };
    expect(await boundOf({ input: [call, output] })).toBeGreaterThanOrEqual(least + 2_000);
  });

  it('counts a picture as one, and a text file as its text', async () => {
    const data = Buffer.from('x'.repeat(90_000)).toString('base64');
    const part = (content: object) => boundOf({ input: [{ role: 'user', content: [content] }] });
    const picture = await part({ type: 'input_image', image_url: `data:image/png;base64,${data}` });
    expect(picture).toBeGreaterThan(6_000);
    expect(picture).toBeLessThan(7_000);
    const file = await part({ type: 'input_file', file_data: `data:text/plain;base64,${data}`, filename: 'a' });
    expect(file).toBeGreaterThan(90_000);
  });

  it('does not count what is dropped', async () => {
    const least = await boundOf({ input: [{ role: 'user', content: 'hi' }] });
    const reasoning = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x'.repeat(50_000) };
    expect(await boundOf({ input: [{ role: 'user', content: 'hi' }, reasoning] })).toBe(least);
    expect(await boundOf({ metadata: { a: 'x'.repeat(500) } })).toBe(await boundOf({}));
  });

  it('has the same texts to count when no provider counted them', async () => {
    const { texts } = (await callOf({ instructions: 'Be kind.', input: 'hi' })).promptToCount();
    expect(texts).toEqual(['Be kind.', 'hi']);
  });
});

describe('storage', () => {
  it('goes on with a stored response, and with the one that follows it', async () => {
    const shelf = new Shelf();
    const first = await answerOf([eventLines(ANSWER)], { input: [{ role: 'system', content: 'Be kind.' }] }, shelf);
    expect(JSON.parse(first)).toMatchObject({ id: `resp_${ID}`, store: true });
    expect([...shelf.kept.keys()]).toEqual([`resp_${ID}`]);
    const output = { type: 'function_call_output', call_id: 'a', output: 'rain' };
    const change = { previous_response_id: `resp_${ID}`, instructions: 'Be short.', input: [output] };
    const next = await callOf(change, shelf);
    const asked = await askedOf(next);
    expect(asked.system.map((part) => part.text)).toEqual(['Be short.', 'Be kind.']);
    expect(asked.messages.map(({ role }) => role)).toEqual(['assistant', 'tool']);
    expect(asked.messages[1]?.parts).toMatchObject([{ type: 'toolResult', callId: 'a', name: 'weather' }]);
    const alone = { type: 'function_call', call_id: 'a', name: 'weather', arguments: '{}' };
    expect(next.bounds(1).inputTokens).toBeGreaterThan(
      (await callOf({ input: [alone, output] })).bounds(1).inputTokens,
    );
    const second = await answerOf([eventLines(ANSWER)], { ...change, stream: true }, shelf);
    expect(eventsIn(second).at(-1)).toMatchObject({ response: { store: true, previous_response_id: `resp_${ID}` } });
    // The same request id made the same response id, so the later response lies where the first one did.
    expect(shelf.kept.get(`resp_${ID}`)?.messages.map(({ role }) => role)).toEqual(['assistant', 'tool', 'assistant']);
    expect(shelf.kept.get(`resp_${ID}`)?.system).toEqual([{ type: 'text', text: 'Be kind.' }]);
  });

  it('is not used for a client that does not want it', async () => {
    const shelf = new Shelf();
    expect(JSON.parse(await answerOf([eventLines(ANSWER)], { store: false }, shelf))).toMatchObject({ store: false });
    expect(shelf.kept.size).toBe(0);
  });

  it('is said not to be used where the operator has none, and no response can be named', async () => {
    expect(JSON.parse(await answerOf([eventLines(ANSWER)], { store: true }))).toMatchObject({ store: false });
    expect(await refusalOf(callOf({ previous_response_id: 'resp_1' }))).toEqual({
      ...{ code: 'unsupported_parameter', param: 'previous_response_id' },
    });
  });

  it('refuses a response that is not there', async () => {
    expect(await refusalOf(callOf({ previous_response_id: 'resp_1' }, new Shelf()))).toEqual({
      ...{ code: 'invalid_request', param: 'previous_response_id' },
    });
  });

  it('keeps nothing of an answer that did not end', async () => {
    const shelf = new Shelf();
    const reading = (await (await callOf({}, shelf)).passage(CHANNEL, CONTEXT)).read({});
    reading.feed(eventLines(ANSWER.slice(0, 4)));
    reading.end();
    expect([reading.done, shelf.kept.size]).toEqual([false, 0]);
  });
});

describe('input tokens', () => {
  const count = (body: object, earlier: Parameters<typeof inputToCount>[2] = null) =>
    inputToCount(bytes(body), MAX_DEPTH, earlier);

  it('are those of the prompt that the same body would be', async () => {
    const body = {
      model: 'our-model',
      input: 'hi',
      instructions: 'Be kind.',
      tools: [{ type: 'function', name: 'now' }],
    };
    expect(count(body)).toEqual((await callOf(body)).promptToCount());
  });

  it('are counted without a model or an input', () => {
    expect(count({}).texts).toEqual([]);
    expect(count({ model: null, input: null, instructions: 'Be kind.' }).texts).toEqual(['Be kind.']);
  });

  it('include the earlier turns where these were looked up', () => {
    const earlier = {
      system: [],
      messages: [{ role: 'user' as const, parts: [{ type: 'text' as const, text: 'hi' }] }],
    };
    expect(count({ previous_response_id: 'resp_1', input: 'ho' }, earlier).texts).toEqual(['hi', 'ho']);
    expect(() => count({ previous_response_id: 'resp_1', input: 'ho' })).toThrow(ApiError);
  });

  it('are refused for what could not be carried', () => {
    expect(() => count({ input: 'hi', tools: [{ type: 'mcp' }] })).toThrow(ApiError);
    expect(() => count({ input: 7 })).toThrow(ApiError);
  });

  it('are answered by themselves', () => {
    expect(inputTokensAnswer(7)).toEqual({ object: 'response.input_tokens', input_tokens: 7 });
  });
});
