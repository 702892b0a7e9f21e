import { describe, expect, it } from 'vitest';
import { claudeUsage, RunningUsage } from '../../../../services/relay/dialects/claude/usage.ts';

const reported = (opening: unknown, ...later: readonly unknown[]) => {
  const usage = new RunningUsage();
  usage.open(opening);
  for (const stated of later) usage.add(stated);
  return usage.reported;
};

describe('The usage that Claude reports', () => {
  it('puts what was read from and written to the cache beside the input, not inside it', () => {
    const stated = {
      input_tokens: 10,
      cache_read_input_tokens: 200,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 10 },
      output_tokens: 5,
    };
    expect(reported(null, stated)).toEqual({
      input: { uncachedInput: 10, cacheRead: 200, cacheWrite5m: 20, cacheWrite1h: 10 },
      output: { outputText: 5 },
    });
  });

  it('takes cache writes of no stated life as short ones', () => {
    expect(reported({ input_tokens: 1, cache_creation_input_tokens: 30, cache_creation: null }).input).toEqual({
      uncachedInput: 1,
      cacheWrite5m: 30,
    });
    const partly = {
      input_tokens: 1,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_1h_input_tokens: 10 },
    };
    expect(reported(partly).input).toEqual({ uncachedInput: 1, cacheWrite5m: 20, cacheWrite1h: 10 });
  });

  it('adds the lives up where the whole of the writes is missing, and cuts them to it where it is smaller', () => {
    const lives = { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 10 };
    expect(reported({ input_tokens: 0, cache_creation: lives }).input).toEqual({ cacheWrite5m: 20, cacheWrite1h: 10 });
    expect(reported({ input_tokens: 0, cache_creation_input_tokens: 8, cache_creation: lives }).input).toEqual({
      cacheWrite1h: 8,
    });
  });

  it('has the thinking inside the output', () => {
    const stated = (thinking: unknown) => ({ output_tokens: 15, output_tokens_details: { thinking_tokens: thinking } });
    expect(reported(null, stated(3)).output).toEqual({ outputText: 12, reasoning: 3 });
    expect(reported(null, stated(99)).output).toEqual({ reasoning: 15 });
    expect(reported(null, stated('3')).output).toEqual({ outputText: 15 });
  });

  it('is cumulative: a later output replaces an earlier one', () => {
    expect(reported({ input_tokens: 9, output_tokens: 1 }, { output_tokens: 7 }, { output_tokens: 15 })).toEqual({
      input: { uncachedInput: 9 },
      output: { outputText: 15 },
    });
    expect(reported(null, { output_tokens: 15 }, { output_tokens: null }).output).toEqual({ outputText: 15 });
    const thought = { output_tokens: 500, output_tokens_details: { thinking_tokens: 480 } };
    const zeros = { input_tokens: 0, output_tokens: 0, output_tokens_details: { thinking_tokens: 0 } };
    expect(reported(null, thought, zeros).output).toEqual({ outputText: 20, reasoning: 480 });
    expect(reported(null, zeros).output).toEqual({});
  });

  it.each([null, 0])('keeps the input when it is repeated as %s', (empty) => {
    const opening = {
      input_tokens: 25,
      cache_read_input_tokens: 100,
      cache_creation_input_tokens: 4,
      output_tokens: 1,
    };
    const last = {
      input_tokens: empty,
      cache_read_input_tokens: empty,
      cache_creation_input_tokens: empty,
      output_tokens: 15,
    };
    expect(reported(opening, last)).toEqual({
      input: { uncachedInput: 25, cacheRead: 100, cacheWrite5m: 4 },
      output: { outputText: 15 },
    });
  });

  it('takes the input that only the end states', () => {
    expect(reported({ input_tokens: 0 }, { input_tokens: 25, output_tokens: 1 }).input).toEqual({ uncachedInput: 25 });
  });

  it('does not take the placeholder of the opening for an output', () => {
    expect(reported({ input_tokens: 25, output_tokens: 1 }).output).toBeNull();
  });

  it.each([
    undefined,
    null,
    'many',
    [],
    { input_tokens: -1, output_tokens: 1.5 },
    { input_tokens: '9', output_tokens: null },
  ])('does not take %j for one', (stated) => {
    expect(reported(stated, stated)).toEqual({ input: null, output: null });
  });
});

describe('The usage that a client of Claude sees', () => {
  it('states every count as a number', () => {
    expect(claudeUsage({})).toEqual({
      input_tokens: 0,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
      output_tokens: 0,
      output_tokens_details: { thinking_tokens: 0 },
    });
  });

  it('excludes both sides of the cache from the input, and has all else on one side', () => {
    const usage = {
      ...{ uncachedInput: 1, cacheRead: 20, cacheWrite5m: 300, cacheWrite1h: 4_000, audioInput: 5, imageInput: 6 },
      ...{ outputText: 7, reasoning: 80, audioOutput: 900, imageOutput: 1_000 },
    };
    expect(claudeUsage(usage)).toEqual({
      input_tokens: 12,
      cache_creation_input_tokens: 4_300,
      cache_read_input_tokens: 20,
      cache_creation: { ephemeral_5m_input_tokens: 300, ephemeral_1h_input_tokens: 4_000 },
      output_tokens: 1_987,
      output_tokens_details: { thinking_tokens: 80 },
    });
  });

  it('is read back as what was billed', () => {
    const usage = {
      uncachedInput: 1,
      cacheRead: 20,
      cacheWrite5m: 300,
      cacheWrite1h: 4_000,
      outputText: 7,
      reasoning: 8,
    };
    const { input, output } = reported(null, claudeUsage(usage));
    expect({ ...input, ...output }).toEqual(usage);
  });
});
