import { toInstant } from '../../runtime.ts';

const DAY_MS = 86_400_000;

/** The start of the first of so many UTC days, of which today is the last. */
export function firstDay(now: number, days: number): string {
  return toInstant((Math.floor(now / DAY_MS) - days + 1) * DAY_MS);
}

/** So many UTC days, of which today is the last: from this instant on, before the other. */
export function spanOfDays(now: number, days: number): { readonly from: string; readonly before: string } {
  return { from: firstDay(now, days), before: toInstant((Math.floor(now / DAY_MS) + 1) * DAY_MS) };
}
