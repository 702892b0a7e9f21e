import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { monthBounds, monthOf, nextMonth, previousMonth, quotaPeriodOf } from '../../../services/billing/period.ts';

const ZONES = Intl.supportedValuesOf('timeZone');
const zone = fc.constantFrom(...ZONES);
const period = fc
  .tuple(fc.integer({ min: 2020, max: 2045 }), fc.integer({ min: 1, max: 12 }))
  .map(([year, month]) => `${String(year)}-${String(month).padStart(2, '0')}`);
const instant = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2045, 11, 31) });

describe('billing months', () => {
  it('follow each other without gap or overlap, in every zone, for three years', () => {
    for (const name of ZONES) {
      let month = '2024-01';
      let { end } = monthBounds(month, name);
      for (let index = 0; index < 36; index += 1) {
        month = nextMonth(month);
        const bounds = monthBounds(month, name);
        expect(bounds.start, `${month} in ${name}`).toBe(end);
        expect(bounds.end > bounds.start, `${month} in ${name}`).toBe(true);
        end = bounds.end;
      }
    }
  });

  it('start at the first instant that clocks of the zone show in the month', () => {
    fc.assert(
      fc.property(zone, period, (name, month) => {
        const start = Date.parse(monthBounds(month, name).start);
        expect(monthOf(start, name)).toBe(month);
        expect(monthOf(start - 1, name)).toBe(previousMonth(month));
      }),
      { numRuns: 2_000, examples: [['America/Havana', '2026-11']] },
    );
  });

  it('hold every instant in exactly the month that clocks show', () => {
    fc.assert(
      fc.property(zone, instant, (name, epochMs) => {
        const { start, end } = monthBounds(monthOf(epochMs, name), name);
        expect(Date.parse(start)).toBeLessThanOrEqual(epochMs);
        expect(epochMs).toBeLessThan(Date.parse(end));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of quotas are the months of UTC', () => {
    fc.assert(
      fc.property(instant, (epochMs) => {
        expect(quotaPeriodOf(epochMs)).toBe(monthOf(epochMs, 'UTC'));
      }),
    );
  });
});
