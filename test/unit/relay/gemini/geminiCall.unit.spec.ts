import { describe, expect, it } from 'vitest';
import type { UpstreamProtocol } from '../../../../services/relay/canonical/crossing.ts';
import { inlineMedia } from '../../../../services/relay/canonical/inlineMedia.ts';
import type { Part } from '../../../../services/relay/canonical/prompt.ts';
import { countTokensAnswer, parseCountTokens } from '../../../../services/relay/dialects/gemini/countTokens.ts';
import { parseModelPath } from '../../../../services/relay/dialects/gemini/path.ts';
import { BODY, billed, callOf, CHANNEL, CONTEXT, json, PROMPT, refusal, STREAM } from './geminiFixtures.ts';

describe('A call of a Gemini client', () => {
  it('is recorded without the name of its model', () => {
    expect(callOf(BODY).route).toBe('/v1beta/models/{model}:generateContent');
    const streamed = callOf(BODY, STREAM);
    expect([streamed.route, streamed.model, streamed.streamed]).toEqual([
      '/v1beta/models/{model}:streamGenerateContent',
      'gemini-2.5-flash',
      true,
    ]);
  });

  it('may use what it asks for, or what the price book allows, for each candidate', () => {
    expect(callOf(BODY).bounds(1_000).outputTokens).toBe(1_000);
    const generationConfig = { maxOutputTokens: 50, candidateCount: 3 };
    expect(callOf({ ...BODY, generationConfig }).bounds(1_000).outputTokens).toBe(150);
    expect(callOf({ ...BODY, generationConfig }).bounds(10).outputTokens).toBe(30);
  });

  it('bounds its input by its bytes, with media by their number', () => {
    const withText = callOf({ contents: [{ parts: [{ text: '你'.repeat(100) }] }] }).bounds(1).inputTokens;
    expect(withText).toBeGreaterThanOrEqual(300);
    const parts = [{ inline_data: { mime_type: 'image/png', data: 'A'.repeat(100_000) } }];
    const withImage = callOf({ contents: [{ parts }] }).bounds(1).inputTokens;
    expect(withImage).toBeGreaterThan(6_000);
    expect(withImage).toBeLessThan(10_000);
  });

  it('bounds thought signatures by their bytes and does not count them', () => {
    const call = callOf({ contents: [{ parts: [{ text: 'Hi', thoughtSignature: 'A'.repeat(5_000) }] }] });
    expect(call.bounds(1).inputTokens).toBeGreaterThan(5_000);
    expect(call.promptToCount().texts).toEqual(['Hi']);
  });

  it('crosses to another protocol and comes back in its own', async () => {
    const spoken: UpstreamProtocol = {
      ask: ({ maxOutput }) => ({ method: 'POST', path: `/other/${String(maxOutput)}`, headers: {}, body: null }),
      decoder: () => ({ feed: () => undefined, end: () => undefined }),
      streams: () => false,
      whole: (text, emit) => {
        emit({ type: 'text', choice: 0, text });
        emit({ type: 'finish', choice: 0, reason: 'stop', stopSequence: null });
        emit({ type: 'end' });
      },
    };
    const passage = await callOf(BODY, STREAM, spoken).passage({ ...CHANNEL, protocol: 'openai' }, CONTEXT);
    expect(passage.request.path).toBe('/other/1000');
    const reading = passage.read({});
    reading.feed(Buffer.from('Hi'));
    expect(reading.end()).toContain('"parts":[{"text":"Hi"}]');
    expect(reading.ending(billed({ outputText: 1 }))).toContain('"candidatesTokenCount":1');
  });
});

describe('The path behind /v1beta/models/', () => {
  it.each([
    ['gemini-2.5-flash:generateContent', 'gemini-2.5-flash', 'generateContent'],
    ['models/gemini-2.5-flash:countTokens', 'gemini-2.5-flash', 'countTokens'],
    ['tunedModels/mine:generateContent', 'mine', 'generateContent'],
    ['openai/gpt-5:streamGenerateContent', 'openai/gpt-5', 'streamGenerateContent'],
    ['qwen3:8b:generateContent', 'qwen3:8b', 'generateContent'],
    ['qwen3%3A8b%3AembedContent', 'qwen3:8b', 'embedContent'],
    ['a%2Fb:batchEmbedContents', 'a/b', 'batchEmbedContents'],
  ])('%s names a model and a method', (path, model, method) => {
    expect(parseModelPath(path)).toEqual({ model, method });
  });

  it.each([
    '',
    'gemini',
    ':generateContent',
    'models/:generateContent',
    'm:predict',
    'm:',
    '%zz:generateContent',
    `${'a'.repeat(201)}:countTokens`,
  ])('%j names none', (path) => {
    expect(parseModelPath(path)).toBeNull();
  });
});

describe('Counting tokens', () => {
  const contents = [{ parts: [{ text: 'Hi' }] }];

  it('takes contents, or a request with its instructions and tools', () => {
    expect(parseCountTokens(json({ contents }), 64).texts).toEqual(['Hi']);
    const generate_content_request = { model: 'models/m', contents, system_instruction: { parts: [{ text: 'Sys' }] } };
    expect(parseCountTokens(json({ generate_content_request }), 64).texts).toEqual(['Hi', 'Sys']);
    expect(countTokensAnswer(7)).toEqual({ totalTokens: 7 });
  });

  it.each([{}, { contents, generateContentRequest: { contents } }])('is refused with %j', (body) => {
    expect(refusal(() => parseCountTokens(json(body), 64))).toEqual({ code: 'invalid_request', param: 'contents' });
  });
});

describe('Media named by URL', () => {
  const image = (url: string): Part => ({ type: 'image', source: { kind: 'url', url, mime: null }, detail: 'low' });
  const inline = { kind: 'inline', mime: 'image/png', data: 'aGk=' } as const;
  const result: Part = { type: 'toolResult', callId: 'c', name: 'f', parts: [image('https://a/2')], isError: false };

  it('are put inline, in tool results too, each fetched once', async () => {
    const fetched: string[] = [];
    const parts = [image('https://a/1'), image('https://a/1'), result];
    const prompt = await inlineMedia({ ...PROMPT, messages: [{ role: 'user', parts }] }, (url) => {
      fetched.push(url);
      return Promise.resolve({ mime: 'image/png', data: 'aGk=' });
    });
    const inlined = { type: 'image', source: inline, detail: 'low' };
    expect(prompt.messages[0]?.parts).toEqual([inlined, inlined, { ...result, parts: [inlined] }]);
    expect(fetched).toEqual(['https://a/1', 'https://a/2']);
  });

  it('are refused where an image turns out to be something else, but a file may be anything', async () => {
    const pdf = () => Promise.resolve({ mime: 'application/pdf', data: 'aGk=' });
    const asked = (part: Part) => inlineMedia({ ...PROMPT, messages: [{ role: 'user', parts: [part] }] }, pdf);
    await expect(asked(image('https://a/1'))).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'A URL of this request leads to no image.',
    });
    const file: Part = { type: 'file', source: { kind: 'url', url: 'https://a/1', mime: null }, name: null };
    const { messages } = await asked(file);
    expect(messages[0]?.parts).toEqual([
      { ...file, source: { kind: 'inline', mime: 'application/pdf', data: 'aGk=' } },
    ]);
  });

  it('are not looked for where there are none', async () => {
    const never = () => Promise.reject(new Error('fetched'));
    expect(await inlineMedia(PROMPT, never)).toBe(PROMPT);
  });

  it('are refused before any is fetched when there are too many', async () => {
    const parts = Array.from({ length: 65 }, (_, number) => image(`https://a/${String(number)}`));
    const never = () => Promise.reject(new Error('fetched'));
    await expect(inlineMedia({ ...PROMPT, messages: [{ role: 'user', parts }] }, never)).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });

  it('are fetched four at a time, and no further ones once they are too large together', async () => {
    const parts = Array.from({ length: 12 }, (_, number) => image(`https://a/${String(number)}`));
    const data = 'A'.repeat(5 * 1_048_576);
    let fetched = 0;
    const large = () => {
      fetched += 1;
      return Promise.resolve({ mime: 'image/png', data });
    };
    await expect(inlineMedia({ ...PROMPT, messages: [{ role: 'user', parts }] }, large)).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect(fetched).toBe(8);
  });

  it('fail the call when one cannot be fetched', async () => {
    const messages = [{ role: 'user' as const, parts: [image('https://a/1')] }];
    const broken = () => Promise.reject(new Error('no such host'));
    await expect(inlineMedia({ ...PROMPT, messages }, broken)).rejects.toThrow('no such host');
  });
});
