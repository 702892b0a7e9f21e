import { describe, expect, it } from 'vitest';
import { Turns } from '../../../services/turns.ts';

describe('turns', () => {
  it('run work of one key in the order asked, whatever becomes of it, and other keys meanwhile', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const gate = Promise.withResolvers<undefined>();
    const first = turns.run('a', async () => {
      await gate.promise;
      seen.push('first');
      throw new Error('it failed');
    });
    const second = turns.run('a', () => {
      seen.push('second');
      return Promise.resolve(2);
    });
    expect(await turns.run('b', () => Promise.resolve('other'))).toBe('other');
    expect(seen).toEqual([]);
    gate.resolve(undefined);
    await expect(first).rejects.toThrow('it failed');
    expect(await second).toBe(2);
    expect(seen).toEqual(['first', 'second']);
  });

  it('know whose work is under way, and when none is', async () => {
    const turns = new Turns();
    const gate = Promise.withResolvers<undefined>();
    const work = turns.run('a', () => gate.promise);
    const failing = turns.run('a', () => Promise.reject(new Error('it failed'))).catch(() => 'caught');
    expect([turns.has('a'), turns.has('b')]).toEqual([true, false]);
    const settled = turns.settled();
    gate.resolve(undefined);
    await settled;
    await Promise.all([work, failing]);
    expect(turns.has('a')).toBe(false);
  });
});
