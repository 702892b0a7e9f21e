import { describe, expect, it } from 'vitest';
import { shapeProblem } from '../../../services/relay/wire/jsonShape.ts';

const DEEP = 'The body is nested too deeply.';
const MANY = 'The body has too many values.';

describe('The shape of a JSON text', () => {
  it.each([
    ['as deep as allowed', '[[[]]]', 3, null],
    ['deeper', '[[[[]]]]', 3, DEEP],
    ['deeper, of objects', '{"a":{"a":{"a":{}}}}', 3, DEEP],
    ['deeper in one of many branches', `[${'[],'.repeat(50)}[[[0]]]]`, 3, DEEP],
    ['as deep again and again', `[${'[[]],'.repeat(50)}0]`, 3, null],
    ['deep within a string only', `["${'['.repeat(100)}"]`, 3, null],
    ['with quotes and backslashes in strings', '["\\"[[[[", "\\\\", "[[[["]', 3, null],
  ])('may be %s', (_what, text, maxDepth, problem) => {
    expect(shapeProblem(text, maxDepth)).toBe(problem);
  });

  it.each([
    ['a list of numbers', (count: number) => `{"x":[${'1,'.repeat(count)}1]}`],
    ['a list of empty objects', (count: number) => `{"x":[${'{},'.repeat(count / 2)}{}]}`],
    ['an inner object with many members', (count: number) => `{"x":{${'"a":1,'.repeat(count)}"a":1}}`],
  ])('has a bound for %s', (_what, make) => {
    expect(shapeProblem(make(99_000), 64)).toBeNull();
    expect(shapeProblem(make(101_000), 64)).toBe(MANY);
  });

  it('has a lower bound for the members of the body itself', () => {
    expect(shapeProblem(`{${'"a":1,'.repeat(499)}"a":1}`, 64)).toBeNull();
    expect(shapeProblem(`{${'"a":1,'.repeat(500)}"a":1}`, 64)).toBe(MANY);
  });

  it.each(['', '"', '"\\', '"\\"', '[', ']]]]', '}{', '\\"', '{"a', '\uD800"', '"'.repeat(1_001)])(
    'is judged of any text, such as %j, for the parser to refuse',
    (text) => {
      expect(shapeProblem(text, 8)).toBeNull();
    },
  );

  it.each([
    ['brackets', '['.repeat(10_000_000)],
    ['empty objects', '{},'.repeat(3_000_000)],
    ['one long string', `"${'x'.repeat(10_000_000)}`],
    ['escaped quotes', `"${'\\"'.repeat(5_000_000)}`],
    ['backslashes', `"${'\\'.repeat(10_000_000)}`],
  ])('is judged in a moment where 10 MB are %s', (_what, text) => {
    const startedAt = performance.now();
    shapeProblem(text, 64);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});
