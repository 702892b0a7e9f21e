import { DateTime, IANAZone } from 'luxon';
import { toInstant } from '../runtime.ts';

/** Instants in UTC, half-open: `start` ≤ t < `end`. */
export interface Bounds {
  readonly start: string;
  readonly end: string;
}

/** True for an IANA zone id that this machine's time zone database knows. An offset such as `+02:00` is none. */
export function isZone(zone: string): boolean {
  return /^[A-Za-z]/.test(zone) && IANAZone.isValidZone(zone);
}

/** The UTC month of an instant, `2026-11`: what quotas count by. No zone arithmetic, for it is on the path of every call. */
export function quotaPeriodOf(epochMs: number): string {
  const utc = new Date(epochMs);
  return label(utc.getUTCFullYear(), utc.getUTCMonth() + 1);
}

/** The first and the first-after instant of a calendar month in a zone. Throws RangeError on an unknown zone or a label that is no month. */
export function monthBounds(period: string, zone: string): Bounds {
  return { start: monthStart(period, zone), end: monthStart(nextMonth(period), zone) };
}

/** The calendar month of an instant in a zone, `2026-11`. */
export function monthOf(epochMs: number, zone: string): string {
  const local = inZone(DateTime.fromMillis(epochMs, { zone }), zone);
  return label(local.year, local.month);
}

export function nextMonth(period: string): string {
  return shiftMonth(period, 1);
}

export function previousMonth(period: string): string {
  return shiftMonth(period, -1);
}

function shiftMonth(period: string, months: number): string {
  const index = Number(period.slice(0, 4)) * 12 + Number(period.slice(5, 7)) - 1 + months;
  return label(Math.floor(index / 12), (index % 12) + 1);
}

function label(year: number, month: number): string {
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}`;
}

/**
 * Midnight of the first day. Where clocks skip that midnight, the instant at which they skip it; where they show it twice,
 * as in Havana on 1 November 2026, the first time.
 */
function monthStart(period: string, zone: string): string {
  const local = { year: Number(period.slice(0, 4)), month: Number(period.slice(5, 7)), day: 1 };
  const midnight = inZone(DateTime.fromObject(local, { zone }), zone).startOf('day');
  return toInstant(Math.min(...midnight.getPossibleOffsets().map((time) => time.toMillis())));
}

function inZone(time: DateTime, zone: string): DateTime {
  if (!time.isValid) throw new RangeError(`no such month or time zone: ${zone} (${String(time.invalidExplanation)})`);
  return time;
}
