import { describe, expect, it } from 'vitest';
import { readUsage } from '../../../../services/relay/dialects/gemini/reportedUsage.ts';
import { shownMetadata, usageMetadata } from '../../../../services/relay/dialects/gemini/usageMetadata.ts';
import { decoded, fragment, googleStream, readWhole } from './geminiFixtures.ts';

describe('Reported usage', () => {
  it('has thoughts on top of the candidates', () => {
    const stated = { promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 7, totalTokenCount: 22 };
    expect(readUsage(stated)).toEqual({ input: { uncachedInput: 10 }, output: { outputText: 5, reasoning: 7 } });
  });

  it('has cached tokens inside the prompt and tokens of tools on top of it', () => {
    const stated = { promptTokenCount: 100, cachedContentTokenCount: 80, toolUsePromptTokenCount: 30 };
    expect(readUsage(stated)).toEqual({ input: { uncachedInput: 50, cacheRead: 80 }, output: null });
  });

  it('takes the missing count of candidates from the total', () => {
    const stated = { promptTokenCount: 10, toolUsePromptTokenCount: 2, thoughtsTokenCount: 7, totalTokenCount: 25 };
    expect(readUsage(stated).output).toEqual({ outputText: 6, reasoning: 7 });
  });

  it('puts uncached audio and images on their own meters', () => {
    const stated = {
      promptTokenCount: 100,
      cachedContentTokenCount: 30,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 20 },
        { modality: 'AUDIO', tokenCount: 50 },
        { modality: 'IMAGE', tokenCount: 30 },
      ],
      cacheTokensDetails: [{ modality: 'AUDIO', tokenCount: 30 }],
      candidatesTokenCount: 40,
      candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 25 }, null, { modality: 'AUDIO' }],
    };
    expect(readUsage(stated)).toEqual({
      input: { uncachedInput: 20, cacheRead: 30, audioInput: 20, imageInput: 30 },
      output: { outputText: 15, imageOutput: 25 },
    });
  });

  it('cuts parts that are larger than their whole', () => {
    const stated = { promptTokenCount: 10, cachedContentTokenCount: 99, candidatesTokenCount: 0 };
    expect(readUsage(stated)).toEqual({ input: { cacheRead: 10 }, output: {} });
  });

  it.each([-1, 1.5, Number.NaN, '12', null, {}])('counts %s as not stated', (count) => {
    expect(readUsage({ promptTokenCount: count, candidatesTokenCount: count })).toEqual({ input: null, output: null });
  });

  it('of several fragments is the last that has numbers, and never their sum', () => {
    const events = decoded([
      googleStream(
        fragment([{ text: 'a' }], {}, { promptTokenCount: 9, candidatesTokenCount: 1, totalTokenCount: 10 }),
        fragment([{ text: 'b' }], {}, { promptTokenCount: 9, candidatesTokenCount: 2, totalTokenCount: 11 }),
        fragment([], { finishReason: 'STOP' }, { trafficType: 'ON_DEMAND' }),
        { usageMetadata: { promptTokenCount: 0, totalTokenCount: 0 } },
      ),
    ]);
    expect(events.filter((event) => event.type === 'usage').at(-1)).toEqual({
      type: 'usage',
      usage: { input: { uncachedInput: 9 }, output: { outputText: 2 } },
    });
  });
});

describe('A whole answer', () => {
  const usage = { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 };

  it('gives its events and its end, even without a finish reason', () => {
    expect(readWhole(JSON.stringify(fragment([{ text: 'Hi' }], {}, usage)))).toEqual([
      { type: 'start', id: 'resp-1', model: 'gemini-2.5-flash' },
      { type: 'usage', usage: { input: { uncachedInput: 3 }, output: { outputText: 1 } } },
      { type: 'text', choice: 0, text: 'Hi' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
      { type: 'end' },
    ]);
  });

  it('may be the array of fragments that a stream was asked for as', () => {
    const text = JSON.stringify([fragment([{ text: 'H' }]), fragment([{ text: 'i' }], { finishReason: 'STOP' })]);
    expect(readWhole(text).map(({ type }) => type)).toEqual(['start', 'text', 'text', 'finish', 'end']);
  });

  it.each(['<html>busy</html>', '', '"text"', '[]', '3'])('that is %j fails with what it is', (text) => {
    expect(readWhole(text)).toEqual([{ type: 'failed', error: text }]);
  });

  it('without candidates fails after its usage', () => {
    const text = JSON.stringify({ usageMetadata: usage });
    expect(readWhole(text).slice(1)).toEqual([
      { type: 'usage', usage: { input: { uncachedInput: 3 }, output: { outputText: 1 } } },
      { type: 'failed', error: text },
    ]);
  });

  it.each([
    { error: { code: 429, status: 'RESOURCE_EXHAUSTED' } },
    [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED' } }],
  ])('that is an error fails with it', (body) => {
    const error = '{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}';
    expect(readWhole(JSON.stringify(body))).toEqual([{ type: 'failed', error }]);
  });
});

describe('Written usage', () => {
  it('counts every token of either side, with thoughts apart', () => {
    const billed = { uncachedInput: 5, cacheRead: 4, imageInput: 1, outputText: 6, reasoning: 3, audioOutput: 1 };
    expect(usageMetadata(billed)).toEqual({
      promptTokenCount: 10,
      cachedContentTokenCount: 4,
      candidatesTokenCount: 7,
      thoughtsTokenCount: 3,
      totalTokenCount: 20,
    });
  });

  it('is the provider’s own object where that says the same', () => {
    const stated = { promptTokenCount: 8, toolUsePromptTokenCount: 2, candidatesTokenCount: 1, totalTokenCount: 11 };
    expect(shownMetadata(stated, { uncachedInput: 10, outputText: 1 })).toBe(stated);
  });

  it('has no details where it was cut', () => {
    const stated = {
      promptTokenCount: 8,
      candidatesTokenCount: 9,
      totalTokenCount: 17,
      candidatesTokensDetails: [{ modality: 'TEXT', tokenCount: 9 }],
      trafficType: 'ON_DEMAND',
    };
    expect(shownMetadata(stated, { uncachedInput: 8, outputText: 4 })).toEqual({
      promptTokenCount: 8,
      candidatesTokenCount: 4,
      totalTokenCount: 12,
      trafficType: 'ON_DEMAND',
    });
  });
});
