import { describe, expect, it } from 'vitest';
import { backOffMs, pause } from '../../../projections/pause.ts';
import { ManualTimers } from './manualTimers.ts';

describe('a pause', () => {
  it('ends when its time has come', async () => {
    const timers = new ManualTimers();
    const pausing = pause(timers, 250, new AbortController().signal);
    expect(timers.delays).toEqual([250]);
    timers.fire();
    await pausing;
  });

  it('ends at once when the signal aborts, and leaves no timer', async () => {
    const timers = new ManualTimers();
    const stopping = new AbortController();
    const pausing = pause(timers, 250, stopping.signal);
    stopping.abort();
    await pausing;
    expect(timers.waiting).toBe(0);
    await pause(timers, 250, stopping.signal);
    expect(timers.delays).toEqual([250]);
  });

  it('grows with failures, up to two seconds', () => {
    expect([1, 2, 3, 6, 7, 1_000].map(backOffMs)).toEqual([50, 100, 200, 1_600, 2_000, 2_000]);
  });
});
