import { describe, expect, it } from 'vitest';
import {
  isZone,
  monthBounds,
  monthOf,
  nextMonth,
  previousMonth,
  quotaPeriodOf,
} from '../../../services/billing/period.ts';

describe('month bounds', () => {
  it.each([
    ['2026-11', 'UTC', '2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
    ['2026-12', 'Asia/Shanghai', '2026-11-30T16:00:00.000Z', '2026-12-31T16:00:00.000Z'],
    // Clocks go forward in March and back in November: the bounds have different offsets.
    ['2026-03', 'America/New_York', '2026-03-01T05:00:00.000Z', '2026-04-01T04:00:00.000Z'],
    ['2026-11', 'America/New_York', '2026-11-01T04:00:00.000Z', '2026-12-01T05:00:00.000Z'],
    // In 2024 clocks in Cairo went back at the first midnight of November, so that midnight came an hour later.
    ['2024-11', 'Africa/Cairo', '2024-10-31T22:00:00.000Z', '2024-11-30T22:00:00.000Z'],
    ['2026-07', 'Pacific/Kiritimati', '2026-06-30T10:00:00.000Z', '2026-07-31T10:00:00.000Z'],
    ['2026-07', 'Asia/Kathmandu', '2026-06-30T18:15:00.000Z', '2026-07-31T18:15:00.000Z'],
  ])('of %s in %s', (period, zone, start, end) => {
    expect(monthBounds(period, zone)).toEqual({ start, end });
  });

  it('refuses a zone that does not exist', () => {
    expect(() => monthBounds('2026-11', 'Mars/Olympus')).toThrow(RangeError);
    expect(() => monthOf(0, 'Mars/Olympus')).toThrow(RangeError);
    expect(['Mars/Olympus', '+02:00', '-05', 'local', ''].map(isZone)).toEqual(Array(5).fill(false));
    expect(['Europe/Berlin', 'UTC', 'Asia/Kolkata', 'US/Pacific'].map(isZone)).toEqual(Array(4).fill(true));
  });

  it('refuses a label that is no month', () => {
    expect(() => monthBounds('2026-13', 'UTC')).toThrow(RangeError);
  });
});

describe('month labels', () => {
  it('go over the turn of a year', () => {
    expect([nextMonth('2026-12'), previousMonth('2027-01')]).toEqual(['2027-01', '2026-12']);
  });

  it('depend on the zone', () => {
    const newYear = Date.parse('2026-12-31T16:00:00.000Z');
    expect([monthOf(newYear, 'UTC'), monthOf(newYear, 'Asia/Shanghai')]).toEqual(['2026-12', '2027-01']);
  });

  it('of quotas turn at midnight UTC', () => {
    const newYear = Date.parse('2027-01-01T00:00:00.000Z');
    expect([quotaPeriodOf(newYear - 1), quotaPeriodOf(newYear)]).toEqual(['2026-12', '2027-01']);
  });
});
