import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it, onTestFinished } from 'vitest';
import { boundedCount } from '../../../infra/tokens/boundedCount.ts';
import { estimateByCharacters } from '../../../infra/tokens/estimateByCharacters.ts';
import { exactCount } from '../../../infra/tokens/exactCount.ts';
import { WorkerTokenEstimator, type WorkerTokenEstimatorOptions } from '../../../infra/tokens/workerTokenEstimator.ts';
import type { Log } from '../../../services/runtime.ts';
import { silentLog } from '../../support/log.ts';

const PROSE = 'The tally stick was split in two, so that debtor and creditor each held a half. ';

function estimator(options: WorkerTokenEstimatorOptions = {}, log: Log = silentLog): WorkerTokenEstimator {
  const made = new WorkerTokenEstimator({ log }, options);
  onTestFinished(() => made.close());
  return made;
}

function script(source: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

describe('counting tokens', () => {
  it('is exact for ordinary text', () => {
    for (const text of ['', 'Hello, world!', '你好，世界', '{"a":[1,2,3]}', '😀👍🏽', PROSE.repeat(1_000)]) {
      expect(exactCount(text)).toBe(countTokens(text));
    }
  });

  it('takes special tokens for what they are: text', () => {
    expect(exactCount('<|endoftext|>')).toBeGreaterThan(1);
    expect(exactCount('<|im_start|>system')).toBeGreaterThan(1);
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5_000 }), (text) => {
        const tokens = exactCount(text);
        expect(Number.isSafeInteger(tokens) && tokens >= 0).toBe(true);
      }),
      { numRuns: 50 },
    );
    expect(exactCount('\ud800'.repeat(3_000))).toBeGreaterThan(0);
  });

  it('is linear in long runs of anything', () => {
    const startedAt = performance.now();
    for (const run of ['a', ' ', '\n', '!', '你', '😀', 'é']) exactCount(run.repeat(200_000 / run.length));
    // Without the cuts a single one of them takes 27 s.
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  });

  it('does not cut a character in two', () => {
    expect(exactCount('😀'.repeat(3_000))).toBe(3_000);
    expect(exactCount(`a${'😀'.repeat(3_000)}`)).toBe(3_001);
  });

  it('extrapolates beyond its bound by what the text is made of', () => {
    const long = PROSE.repeat(2_000);
    const [bounded] = boundedCount([long], 10_000);
    expect(Math.abs((bounded ?? 0) / countTokens(long) - 1)).toBeLessThan(0.02);
    const mixed = PROSE.repeat(200) + '你好世界'.repeat(2_000);
    const [ofMixed] = boundedCount([mixed], 10_000);
    expect(ofMixed).toBeGreaterThan(countTokens(mixed) * 0.5);
    expect(boundedCount(['abc', '', PROSE, PROSE], 3)).toEqual([
      1,
      0,
      estimateByCharacters(PROSE),
      estimateByCharacters(PROSE),
    ]);
  });
});

describe('the formula over characters', () => {
  it.each([
    ['', 0],
    ['   \n\t ', 0],
    ['word', 1],
    ['words', 2],
    ['12345', 2],
    ['你好世界', 4],
    ['!?', 1],
    ['über', 1],
  ])('gives for %j %i', (text, tokens) => {
    expect(estimateByCharacters(text)).toBe(tokens);
  });

  it('is near the tokenizer for prose, JSON and Chinese', () => {
    const json = JSON.stringify(
      Array.from({ length: 50 }, (_, index) => ({ id: index, name: `name ${String(index)}`, ok: true })),
    );
    for (const text of [PROSE.repeat(10), json, '这是一个用来测试的句子，里面有一些常见的汉字。'.repeat(10)]) {
      const ratio = estimateByCharacters(text) / countTokens(text);
      expect(ratio).toBeGreaterThan(0.6);
      expect(ratio).toBeLessThan(1.6);
    }
  });
});

describe('the token estimator', () => {
  it('counts in its worker, in order', async () => {
    const tokens = estimator();
    const [first, second] = await Promise.all([tokens.count(['Hello, world!', '', '你好']), tokens.count([PROSE])]);
    expect(first).toEqual([countTokens('Hello, world!'), 0, countTokens('你好')]);
    expect(second).toEqual([countTokens(PROSE)]);
  });

  it('answers at once when there is nothing to count', async () => {
    expect(await estimator({ script: script('throw new Error("never started")') }).count(['', ''])).toEqual([0, 0]);
  });

  it('uses the formula when too much is waiting', async () => {
    const tokens = estimator({ maxWaitingCharacters: 100 });
    const [counted, estimated] = await Promise.all([tokens.count(['12345']), tokens.count([PROSE.repeat(2)])]);
    expect(counted).toEqual([countTokens('12345')]);
    expect(estimated).toEqual([estimateByCharacters(PROSE.repeat(2))]);
  });

  it('uses the formula when the worker does not answer, and replaces it', async () => {
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_fields: object, message: string) => void warnings.push(message) };
    const tokens = estimator({ timeoutMs: 50, script: script('setInterval(() => {}, 1000)') }, log);
    expect(await Promise.all([tokens.count(['12345']), tokens.count([PROSE])])).toEqual([
      [2],
      [estimateByCharacters(PROSE)],
    ]);
    expect(warnings).toEqual(['the token worker is too slow and is replaced']);
    expect(await tokens.count(['12345'])).toEqual([2]);
  });

  it.each(['throw new Error("broken")', 'process.exit(1)'])(
    'uses the formula when the worker dies: %s',
    async (source) => {
      const tokens = estimator({ script: script(source) });
      expect(await tokens.count([PROSE])).toEqual([estimateByCharacters(PROSE)]);
      expect(await tokens.count([PROSE])).toEqual([estimateByCharacters(PROSE)]);
    },
  );

  it('answers what waits when it is closed, and everything after by the formula', async () => {
    const tokens = estimator();
    const waiting = tokens.count([PROSE]);
    await tokens.close();
    expect(await waiting).toEqual([estimateByCharacters(PROSE)]);
    expect(await tokens.count([PROSE])).toEqual([estimateByCharacters(PROSE)]);
  });
});
