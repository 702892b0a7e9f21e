import { expect, it } from 'vitest';
import { LagWatch } from '../../../services/wiring/lagWatch.ts';

it('a follower is late when a head of some time ago is still ahead of it', () => {
  let now = 0;
  const watch = new LagWatch({ monotonic: () => now }, 30_000);
  expect(watch.isLate('usage', 10n, 500n)).toBe(false);
  now = 30_000;
  expect(watch.isLate('usage', 499n, 90_000n)).toBe(false);
  now = 30_001;
  expect(watch.isLate('usage', 499n, 90_000n)).toBe(true);
  expect(watch.isLate('quota', 499n, 90_000n)).toBe(false);
  // It has come to the old head, and gets the newer one as its next goal.
  expect(watch.isLate('usage', 500n, 90_000n)).toBe(false);
  now = 60_001;
  expect(watch.isLate('usage', 89_999n, 90_000n)).toBe(false);
  now = 60_002;
  expect(watch.isLate('usage', 89_999n, 90_000n)).toBe(true);
  expect(watch.isLate('usage', 90_000n, 90_000n)).toBe(false);
});
