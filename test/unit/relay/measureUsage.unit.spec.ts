import { describe, expect, it } from 'vitest';
import type { UsageVector } from '../../../events/meters.ts';
import { measureUsage } from '../../../services/relay/usage/measureUsage.ts';
import { promptToCount } from '../../../services/relay/dialects/openai/promptSize.ts';
import { ReceivedOutput } from '../../../services/relay/dialects/openai/receivedOutput.ts';
import type { TokenEstimator } from '../../../services/relay/ports.ts';
import { chatRequest, wordEstimator } from './chatFixtures.ts';

/** 5 words, and 6 of overhead. */
const REQUEST = chatRequest({ messages: [{ role: 'user', content: 'say it in five words' }] });
const PROMPT_ESTIMATE = 11;
const CALL = { promptToCount: () => promptToCount(REQUEST.body) };

interface Ended {
  readonly whole?: boolean;
  readonly estimator?: TokenEstimator;
}

function measure(input: UsageVector | null, output: UsageVector | null, deltas: readonly string[], ended: Ended = {}) {
  const received = new ReceivedOutput('reasoning_content');
  for (const content of deltas) received.add([{ delta: { content } }]);
  const { whole = true, estimator = wordEstimator } = ended;
  return measureUsage({ input, output }, received, CALL, estimator, whole);
}

const noEstimate: TokenEstimator = { count: () => Promise.reject(new Error('nothing should be estimated')) };

describe('The usage of a whole answer', () => {
  it('is what was reported, without an estimate', async () => {
    const reported = measure({ uncachedInput: 3, cacheRead: 4 }, { outputText: 1, reasoning: 9 }, ['many words here'], {
      estimator: noEstimate,
    });
    expect(await reported).toEqual({
      usage: { uncachedInput: 3, cacheRead: 4, outputText: 1, reasoning: 9 },
      source: 'reported',
    });
  });

  it('honours an explicit zero of output when nothing was received', async () => {
    expect(await measure({ uncachedInput: 3 }, {}, [], { estimator: noEstimate })).toEqual({
      usage: { uncachedInput: 3 },
      source: 'reported',
    });
  });

  it('estimates the output that was reported as zero although there was text', async () => {
    expect(await measure({ uncachedInput: 3 }, {}, ['one two', ' three'])).toEqual({
      usage: { uncachedInput: 3, outputText: 3 },
      source: 'mixed',
    });
  });

  it.each([null, {}])('estimates the input that was reported as %j', async (input) => {
    expect(await measure(input, { outputText: 2 }, ['one'])).toEqual({
      usage: { uncachedInput: PROMPT_ESTIMATE, outputText: 2 },
      source: 'mixed',
    });
  });

  it('estimates both when nothing was reported', async () => {
    expect(await measure(null, null, ['one two'])).toEqual({
      usage: { uncachedInput: PROMPT_ESTIMATE, outputText: 2 },
      source: 'estimated',
    });
  });

  it('counts a delta as at least one token', async () => {
    expect((await measure(null, null, ['a', 'b', 'c', 'd'])).usage.outputText).toBe(4);
  });

  it('extrapolates from the text that was kept', async () => {
    const words = 'word '.repeat(100_000);
    expect((await measure(null, null, [words])).usage.outputText).toBe(Math.ceil((52_429 * 500_000) / 262_144));
  });
});

describe('The usage of an answer that was cut', () => {
  const cut = { whole: false };

  it('is the estimate of what was received where a running count has fallen behind', async () => {
    expect(await measure({ uncachedInput: 3 }, { outputText: 1 }, ['one two three four'], cut)).toEqual({
      usage: { uncachedInput: 3, outputText: 4 },
      source: 'mixed',
    });
  });

  it('adds what is missing to the text and keeps the reported reasoning', async () => {
    expect(await measure({ uncachedInput: 3 }, { reasoning: 2 }, ['one two three'], cut)).toEqual({
      usage: { uncachedInput: 3, reasoning: 2, outputText: 1 },
      source: 'mixed',
    });
  });

  it('is the running count where that is larger', async () => {
    expect(await measure({ uncachedInput: 3 }, { outputText: 9 }, ['one two'], cut)).toEqual({
      usage: { uncachedInput: 3, outputText: 9 },
      source: 'reported',
    });
  });

  it('is the prompt alone when nothing was received', async () => {
    const { usage, source } = await measure(null, null, [], cut);
    expect(usage).toEqual({ uncachedInput: PROMPT_ESTIMATE });
    expect(source).toBe('estimated');
  });
});
