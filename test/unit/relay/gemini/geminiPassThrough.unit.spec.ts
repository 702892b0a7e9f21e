import { describe, expect, it } from 'vitest';
import type { UsageVector } from '../../../../events/meters.ts';
import type { Target } from '../../../../services/relay/dialects/gemini/request.ts';
import {
  ARRAY,
  billed,
  BODY,
  callOf,
  CHANNEL,
  CONTEXT,
  everyCut,
  fragment,
  googleStream,
  passThrough,
  STREAM,
  WHOLE,
} from './geminiFixtures.ts';
import { geminiCall } from '../../../../services/relay/dialects/gemini/call.ts';
import { geminiProtocol } from '../../../../services/relay/dialects/gemini/upstream.ts';

const USAGE = { promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 7, totalTokenCount: 22 };
const BILLED: UsageVector = { uncachedInput: 10, outputText: 5, reasoning: 7 };
const FIRST = fragment([{ text: '你好', thoughtSignature: 'c2ln' }], {}, { promptTokenCount: 10, totalTokenCount: 10 });
const LAST = fragment([{ text: '!' }], { finishReason: 'STOP' }, USAGE);
const AFTER = { usageMetadata: { ...USAGE, trafficType: 'ON_DEMAND' }, responseId: 'resp-1' };
const ALIASED = { ...CHANNEL, upstreamModel: 'gemini-2.5-flash-001' };

async function upstreamBodyOf(source: string, upstreamModel = CHANNEL.upstreamModel): Promise<string> {
  const call = geminiCall(Buffer.from(source), 64, WHOLE, () => geminiProtocol);
  const passage = await call.passage({ ...CHANNEL, upstreamModel }, CONTEXT);
  return (passage.request.body ?? '').toString();
}

describe('A request that is passed through', () => {
  it('goes up as the client’s own bytes when it states a limit that it may have', async () => {
    const source =
      '{ "contents": [{"parts":[{"text":"a:b \\"c\\": é"}]}], "generation_config": {"max_output_tokens":7} }';
    expect(await upstreamBodyOf(source)).toBe(source);
  });

  it.each([
    ['states no limit', { ...BODY, safetySettings: [{ a: 1 }] }, 1_000],
    [
      'states a larger limit than it may have',
      { ...BODY, generationConfig: { maxOutputTokens: 5_000, topK: 3 } },
      1_000,
    ],
    ['names a model of its own', { ...BODY, model: 'models/other', generationConfig: { maxOutputTokens: 9 } }, 9],
  ])('is rewritten when it %s', async (_, body, maxOutputTokens) => {
    const { model: _model, ...rest } = { model: '', ...body };
    const config = 'generationConfig' in body ? body.generationConfig : {};
    expect(JSON.parse(await upstreamBodyOf(JSON.stringify(body)))).toEqual({
      ...rest,
      generationConfig: { ...config, maxOutputTokens },
    });
  });

  it('is rewritten when a limit stands twice, so that an upstream reads the one that we hold', async () => {
    const source =
      '{"contents":[{"parts":[]}],"generationConfig":{"max\\u004futputTokens":900000,"maxOutputTokens":5}}';
    expect(await upstreamBodyOf(source)).toBe('{"contents":[{"parts":[]}],"generationConfig":{"maxOutputTokens":5}}');
  });

  it('has its unsigned calls marked where the model asks for signatures, and nothing else changed', async () => {
    const body = (...parts: object[]) => ({
      contents: [
        { role: 'user', parts: [{ text: 'a' }] },
        { role: 'model', parts },
      ],
      generationConfig: { maxOutputTokens: 7 },
    });
    const call = { functionCall: { id: 'c', name: 'f', args: {} } };
    const unsigned = JSON.stringify(body({ text: 'b' }, call, call));
    expect(await upstreamBodyOf(unsigned, 'gemini-2.5-flash')).toBe(unsigned);
    expect(JSON.parse(await upstreamBodyOf(unsigned, 'gemini-3-pro-preview'))).toEqual(
      body({ text: 'b' }, { ...call, thoughtSignature: 'skip_thought_signature_validator' }, call),
    );
    const signed = JSON.stringify(body({ ...call, thoughtSignature: 'c2ln' }, call));
    expect(await upstreamBodyOf(signed, 'gemini-3-pro-preview')).toBe(signed);
  });

  it('goes to the model of the channel, always as server-sent events when it is a stream', async () => {
    const path = async (target: Target) => (await callOf(BODY, target).passage(ALIASED, CONTEXT)).request.path;
    expect(await path(WHOLE)).toBe('/models/gemini-2.5-flash-001:generateContent');
    expect(await path(ARRAY)).toBe('/models/gemini-2.5-flash-001:streamGenerateContent?alt=sse');
  });
});

describe('A stream that is passed through', () => {
  const stream = googleStream(FIRST, LAST, AFTER);

  it('gives the same bytes however it is cut, and keeps its end back until it is settled', async () => {
    for (const chunks of everyCut(stream)) {
      const { reading, forwarded } = await passThrough(chunks);
      expect(forwarded).toBe(googleStream(FIRST).toString());
      expect([reading.done, reading.failure, reading.contentType]).toEqual([
        true,
        null,
        'text/event-stream; charset=utf-8',
      ]);
      expect(reading.reported).toEqual({ input: { uncachedInput: 10 }, output: { outputText: 5, reasoning: 7 } });
      expect(reading.ending(billed(BILLED))).toBe(
        googleStream({ ...LAST, usageMetadata: AFTER.usageMetadata }, AFTER).toString(),
      );
    }
  });

  it('shows the billed counts at its end', async () => {
    const { reading } = await passThrough([googleStream(FIRST, LAST)]);
    const ending = reading.ending(billed({ uncachedInput: 10, outputText: 1 }));
    const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 1, totalTokenCount: 11 };
    expect(ending).toBe(googleStream({ ...LAST, usageMetadata }).toString());
  });

  it('names the model as the client does', async () => {
    const { reading, forwarded } = await passThrough(
      [googleStream({ ...FIRST, modelVersion: 'gemini-2.5-flash-001' }, { ...LAST, modelVersion: 'x' })],
      STREAM,
      ALIASED,
    );
    expect(forwarded + reading.ending(billed(BILLED)).toString()).toBe(googleStream(FIRST, LAST).toString());
  });

  it('becomes a JSON array for a client that asked without alt=sse', async () => {
    for (const chunks of everyCut(stream)) {
      const { reading, forwarded } = await passThrough(chunks, ARRAY);
      expect(forwarded).toBe(`[${JSON.stringify(FIRST)}`);
      const text = forwarded + reading.ending(billed(BILLED)).toString();
      expect(JSON.parse(text)).toEqual([FIRST, { ...LAST, usageMetadata: AFTER.usageMetadata }, AFTER]);
      expect(reading.contentType).toBe('application/json; charset=utf-8');
    }
  });

  it('is read as a JSON array where the upstream does not know alt=sse', async () => {
    const { reading, forwarded } = await passThrough([Buffer.from(JSON.stringify([FIRST, LAST], null, 2))]);
    const lines = forwarded.split('\r\n');
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[0]?.slice('data: '.length) ?? '')).toEqual(FIRST);
    expect(reading.done).toBe(true);
  });

  it('holds back only the last of the reasons that every fragment states', async () => {
    const stop = (text: string) => fragment([{ text }], { finishReason: 'STOP' });
    const { reading, forwarded } = await passThrough([googleStream(stop('a'), stop('b'), stop('c'))]);
    expect(forwarded).toBe(googleStream(stop('a'), stop('b')).toString());
    expect(reading.received.toCount().text).toBe('abc');
  });

  it('goes on with a candidate that ends later', async () => {
    const one = { candidates: [{ index: 0, finishReason: 'STOP' }] };
    const other = { candidates: [{ index: 1, content: { parts: [{ text: 'b' }] } }] };
    const { reading, forwarded } = await passThrough([googleStream(FIRST, one, other)]);
    expect(forwarded).toBe(googleStream(FIRST, one, other).toString());
    expect([reading.done, reading.received.finished]).toEqual([false, false]);
  });

  it('that closes early is not whole', async () => {
    const { reading } = await passThrough([googleStream(FIRST)]);
    expect([reading.done, reading.received.finished, reading.failure]).toEqual([false, false, null]);
  });

  it.each(['data: {"error":{"code":503}}\r\n\r\n', '{"error":{"code":503}}', '[{"error":{"code":503}}]'])(
    'fails with %j and does not forward it',
    async (error) => {
      const { reading, forwarded } = await passThrough([googleStream(FIRST), Buffer.from(error)]);
      expect(forwarded).toBe(googleStream(FIRST).toString());
      expect([reading.failure, reading.done]).toEqual(['{"error":{"code":503}}', false]);
    },
  );

  it('is Google’s own answer when the prompt was blocked, with what is billed', async () => {
    const blocked = {
      promptFeedback: { blockReason: 'SAFETY' },
      usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 },
    };
    const { reading, forwarded } = await passThrough([googleStream(blocked)]);
    expect([forwarded, reading.failure, reading.done, reading.received.isEmpty]).toEqual(['', null, true, true]);
    expect(reading.received.finishReason).toBe('content_filter');
    expect(reading.ending(billed({ uncachedInput: 8 }))).toBe(googleStream(blocked).toString());
  });

  it('counts audio and code as output', async () => {
    const audio = fragment([{ inlineData: { mimeType: 'audio/wav', data: 'aGk=' } }]);
    const code = fragment([{ executableCode: { code: 'print(1)' } }]);
    const { reading } = await passThrough([googleStream(audio, code)]);
    expect(reading.received.isEmpty).toBe(false);
    expect(reading.received.toCount()).toMatchObject({ text: 'print(1)', atLeast: 2 });
  });
});

describe('A whole answer that is passed through', () => {
  const text = JSON.stringify(LAST, null, 2);

  it('keeps its bytes where nothing changes', async () => {
    for (const chunks of everyCut(Buffer.from(text))) {
      const { reading, forwarded } = await passThrough(chunks, WHOLE);
      expect([forwarded, reading.done, reading.failure]).toEqual(['', true, null]);
      expect(reading.ending(billed(BILLED))).toBe(text);
    }
  });

  it('has the billed counts and the client’s name for the model', async () => {
    const { reading } = await passThrough(
      [Buffer.from(JSON.stringify({ ...LAST, modelVersion: 'x' }))],
      WHOLE,
      ALIASED,
    );
    expect(JSON.parse(reading.ending(billed({ uncachedInput: 10, outputText: 2 })).toString())).toEqual({
      ...LAST,
      usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 2, totalTokenCount: 12 },
    });
  });

  it('may have a BOM and blank lines before it', async () => {
    const { reading } = await passThrough([Buffer.from(`\uFEFF\n\n${text}`)], WHOLE);
    expect(reading.ending(billed(BILLED))).toBe(text);
  });

  it.each([
    ['<html>', '<html>'],
    ['{"usageMetadata":{}}', '{"usageMetadata":{}}'],
    ['[{"error":{"code":429}}]', '{"error":{"code":429}}'],
    ['', ''],
  ])('that is %j fails', async (body, failure) => {
    const { reading } = await passThrough([Buffer.from(body)], WHOLE);
    expect([reading.done, reading.failure, reading.ending(billed({}))]).toEqual([false, failure, expect.any(String)]);
  });
});
