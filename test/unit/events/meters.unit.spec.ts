import { describe, expect, it } from 'vitest';
import { METERS, OTHER_METERS, TOKEN_METERS, totalTokens, usageVector } from '../../../events/meters.ts';

describe('the usage vector', () => {
  it('counts tokens of every kind once, and nothing else', () => {
    const one = Object.fromEntries(METERS.map((meter) => [meter, 1]));
    expect(totalTokens(one)).toBe(TOKEN_METERS.length);
    expect(totalTokens(Object.fromEntries(OTHER_METERS.map((meter) => [meter, 1])))).toBe(0);
    expect(totalTokens({})).toBe(0);
  });

  it('has no meter twice', () => {
    expect(new Set(METERS).size).toBe(METERS.length);
  });

  it.each([{ outputText: -1 }, { outputText: 1.5 }, { outputText: 2 ** 53 }, { outputText: '1' }, { prompt: 1 }])(
    'refuses %j',
    (usage) => {
      expect(usageVector.safeParse(usage).success).toBe(false);
    },
  );
});
