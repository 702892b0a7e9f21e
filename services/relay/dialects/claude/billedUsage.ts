import type { Billed } from '../../call.ts';
import type { Json } from '../../wire/json.ts';
import { usageWithCost } from '../../usage/usageCost.ts';
import { claudeUsage } from './usage.ts';

/** JSON text of the usage that is billed, with its cost. `stated`: what the provider said, of which other members stay. */
export function billedUsage({ usage, picos, currency }: Billed, stated: Json = {}): string {
  const counts = claudeUsage(usage);
  return usageWithCost({ ...counts, ...stated, ...counts }, picos, currency);
}
