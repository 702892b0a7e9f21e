import { describe, expect, it } from 'vitest';
import { geminiCountings, geminiOperations } from '../../../../services/relay/operations/gemini.ts';
import { geminiProtocol } from '../../../../services/relay/dialects/gemini/upstream.ts';

describe('Gemini’s methods', () => {
  const operations = geminiOperations({ maxDepth: 16, spoken: () => geminiProtocol });

  it('stand at `v1beta`, and at `v1`, which Google’s library asks for by itself', () => {
    expect(operations.map(({ path }) => path)).toEqual(['/v1beta/models/*', '/v1/models/*']);
    expect(new Set(operations.map(({ dialect }) => dialect))).toEqual(new Set(['gemini']));
  });

  it('count tokens at the same paths, in the same order', () => {
    expect(geminiCountings(16).map(({ path }) => path)).toEqual(operations.map(({ path }) => path));
  });
});
