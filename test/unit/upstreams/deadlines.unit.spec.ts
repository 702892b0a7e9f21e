import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Deadlines } from '../../../infra/upstreams/deadlines.ts';

function watching() {
  const deadlines = new Deadlines();
  onTestFinished(() => deadlines.close());
  const checks: number[] = [];
  const watched = { rosterPlace: -1, check: (now: number) => void checks.push(now) };
  deadlines.watch(watched);
  return { deadlines, watched, checks };
}

describe('deadlines', () => {
  it('are looked at again and again, until they are taken off', async () => {
    const { deadlines, watched, checks } = watching();
    await vi.waitFor(() => expect(checks.length).toBeGreaterThanOrEqual(2));
    expect(checks).toEqual(checks.toSorted((left, right) => left - right));
    deadlines.unwatch(watched);
    const before = checks.length;
    const other: number[] = [];
    deadlines.watch({ rosterPlace: -1, check: (now) => void other.push(now) });
    await vi.waitFor(() => expect(other.length).toBeGreaterThanOrEqual(2));
    expect(checks).toHaveLength(before);
  });

  it('are given one more tick after the process has stood still', async () => {
    const { deadlines, checks } = watching();
    await vi.waitFor(() => expect(checks.length).toBeGreaterThanOrEqual(1));
    const seen = checks.length;
    const before = deadlines.now;
    const until = performance.now() + 700;
    while (performance.now() < until);
    await vi.waitFor(() => expect(deadlines.now).toBeGreaterThan(before), { interval: 1 });
    const firstTick = deadlines.now;
    await vi.waitFor(() => expect(checks.length).toBeGreaterThan(seen));
    expect(checks[seen]).toBeGreaterThan(firstTick);
  });
});
