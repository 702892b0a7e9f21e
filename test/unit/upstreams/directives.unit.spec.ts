import { describe, expect, it } from 'vitest';
import { parseDirectives } from '../../../infra/upstreams/simulated/directives.ts';

const defaults = { latencyMs: 7, chunkDelayMs: 0, chunks: null };

function behaviourOf(text: string) {
  const parsed = parseDirectives(text, defaults);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed;
}

describe('directives of the simulated upstream', () => {
  it('are taken out of the text', () => {
    expect(behaviourOf('a [[sim chunks=3]]b[[sim cut_after=1]]').rest).toBe('a b');
  });

  it('add up, and later ones win', () => {
    expect(behaviourOf('[[sim chunks=3 latency_ms=5]] [[sim chunks=4]]').behaviour).toMatchObject({
      chunks: 4,
      latencyMs: 5,
    });
  });

  it('leave the defaults alone when there are none', () => {
    expect(behaviourOf('no directive [[simulate x=1]] here').behaviour).toMatchObject({
      latencyMs: 7,
      status: null,
      usage: 'exact',
    });
  });

  it.each([
    ['status=200', { status: 400 }],
    ['status=999', { status: 599 }],
    ['chunks=0', { chunks: 1 }],
    ['chunks=999999999', { chunks: 10_000 }],
    ['latency_ms=999999', { latencyMs: 60_000 }],
  ])('keep numbers within bounds: %s', (words, expected) => {
    expect(behaviourOf(`[[sim ${words}]]`).behaviour).toMatchObject(expected);
  });

  it.each(['chunks=-1', 'chunks=1e9', 'chunks=', 'chunks', 'hang=never', 'tool=a b!', '__proto__=1', 'constructor=1'])(
    'refuse what means nothing: %s',
    (words) => {
      expect(parseDirectives(`[[sim ${words}]]`, defaults).ok).toBe(false);
    },
  );

  it('are read in linear time', () => {
    const hostile = '[[sim '.repeat(200_000) + ' '.repeat(200_000);
    const startedAt = performance.now();
    parseDirectives(hostile, defaults);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
