import { describe, expect, it } from 'vitest';
import { atPath, readUsage } from '../../../services/relay/dialects/openai/reportedUsage.ts';

const read = (usage: unknown, usageExcludesReasoning = false) => readUsage(usage, { usageExcludesReasoning });

describe('Usage as providers report it', () => {
  it('of OpenAI has cached, audio and reasoning tokens inside the totals', () => {
    const usage = {
      prompt_tokens: 2_006,
      completion_tokens: 300,
      total_tokens: 2_306,
      prompt_tokens_details: { cached_tokens: 1_920, cache_write_tokens: 6, audio_tokens: 20, image_tokens: 10 },
      completion_tokens_details: {
        reasoning_tokens: 128,
        audio_tokens: 22,
        accepted_prediction_tokens: 5,
        rejected_prediction_tokens: 7,
      },
    };
    expect(read(usage)).toEqual({
      input: { uncachedInput: 50, cacheRead: 1_920, cacheWrite5m: 6, audioInput: 20, imageInput: 10 },
      output: { outputText: 150, reasoning: 128, audioOutput: 22 },
    });
  });

  it('of DeepSeek names cache hits beside the prompt', () => {
    const usage = {
      prompt_tokens: 100,
      completion_tokens: 40,
      total_tokens: 140,
      prompt_cache_hit_tokens: 64,
      prompt_cache_miss_tokens: 36,
      completion_tokens_details: { reasoning_tokens: 30 },
    };
    expect(read(usage)).toEqual({
      input: { uncachedInput: 36, cacheRead: 64 },
      output: { outputText: 10, reasoning: 30 },
    });
  });

  it('of Moonshot names cached tokens at the top', () => {
    expect(read({ prompt_tokens: 10, completion_tokens: 2, total_tokens: 12, cached_tokens: 8 })).toEqual({
      input: { uncachedInput: 2, cacheRead: 8 },
      output: { outputText: 2 },
    });
  });

  it('of OpenRouter has a cost, which is not ours', () => {
    const usage = {
      prompt_tokens: 194,
      completion_tokens: 2,
      total_tokens: 196,
      cost: 0.95,
      cost_details: { upstream_inference_cost: 19 },
      is_byok: false,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 100, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    };
    expect(read(usage)).toEqual({ input: { uncachedInput: 94, cacheWrite5m: 100 }, output: { outputText: 2 } });
  });

  it('of xAI has reasoning on top of the completion, as its total shows', () => {
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 4,
      total_tokens: 20,
      completion_tokens_details: { reasoning_tokens: 6 },
    };
    const tenOut = { input: { uncachedInput: 10 }, output: { outputText: 4, reasoning: 6 } };
    expect(read(usage, true)).toEqual(tenOut);
    expect(read(usage, false)).toEqual(tenOut);
  });

  it('follows the channel where no total proves anything, and the total where it contradicts the channel', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 8, completion_tokens_details: { reasoning_tokens: 6 } };
    expect(read(usage, true).output).toEqual({ outputText: 8, reasoning: 6 });
    expect(read(usage, false).output).toEqual({ outputText: 2, reasoning: 6 });
    expect(read({ ...usage, total_tokens: 18 }, true).output).toEqual({ outputText: 2, reasoning: 6 });
    expect(read({ ...usage, total_tokens: 999 }, true).output).toEqual({ outputText: 8, reasoning: 6 });
  });
});

describe('Usage that cannot be true', () => {
  it.each([undefined, null, 'text', 7, [], [{ prompt_tokens: 1 }]])('%j reports nothing', (usage) => {
    expect(read(usage)).toEqual({ input: null, output: null });
  });

  it.each([null, undefined, -1, 1.5, Number.NaN, Infinity, 1e18, 2 ** 53, '9', '', true, [], {}])(
    'a count of %j is not reported, and the other half stands',
    (count) => {
      expect(read({ prompt_tokens: count, completion_tokens: 3 })).toEqual({ input: null, output: { outputText: 3 } });
      expect(read({ prompt_tokens: 3, completion_tokens: count })).toEqual({
        input: { uncachedInput: 3 },
        output: null,
      });
    },
  );

  it('an explicit zero is reported', () => {
    expect(read({ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 })).toEqual({ input: {}, output: {} });
  });

  it('details larger than their whole are cut to it', () => {
    const usage = {
      prompt_tokens: 5,
      completion_tokens: 3,
      total_tokens: 8,
      prompt_tokens_details: { cached_tokens: 50, audio_tokens: 50 },
      completion_tokens_details: { reasoning_tokens: 2, audio_tokens: 50 },
    };
    expect(read(usage)).toEqual({ input: { cacheRead: 5 }, output: { reasoning: 2, audioOutput: 1 } });
  });

  it('details that are nonsense are left out', () => {
    const details = { cached_tokens: -5, audio_tokens: '7', image_tokens: null };
    expect(
      read({ prompt_tokens: 5, completion_tokens: 3, prompt_tokens_details: details, completion_tokens_details: 'x' }),
    ).toEqual({ input: { uncachedInput: 5 }, output: { outputText: 3 } });
  });
});

describe('A dotted path', () => {
  it('leads through objects and lists, and to undefined past their ends', () => {
    const source = { choices: [{ usage: { prompt_tokens: 1 } }], nothing: null };
    expect(atPath(source, 'choices.0.usage.prompt_tokens')).toBe(1);
    expect(atPath(source, 'choices.1.usage')).toBeUndefined();
    expect(atPath(source, 'nothing.usage')).toBeUndefined();
    expect(atPath('text', 'usage')).toBeUndefined();
  });
});
