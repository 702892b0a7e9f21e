/**
 * What a price is for. Ten to `scale` is how many micro-units per million one unit of the currency amounts to; of a
 * minute, that is of 60 seconds.
 */
const UNITS = {
  perMillion: { scale: 6, of: 1n },
  perThousand: { scale: 9, of: 1n },
  perUnit: { scale: 12, of: 1n },
  perMinute: { scale: 12, of: 60n },
} as const;
export type PriceUnit = keyof typeof UNITS;

/** One unit of the currency: more for a single token is a slip of the pen. */
export const MAX_PER_TOKEN = 1_000_000_000_000;
/** A thousand units of the currency for one image, request, character or second. */
const MAX_PER_UNIT = 1_000_000_000_000_000n;

/**
 * Decimal text in major units, `"0.00015"` per thousand, as whole micro-units per million. Throws RangeError, with a
 * sentence for the author of the file, on a sign, an exponent, anything that is not exact, or more than a thousand each.
 */
export function microsPerMillion(text: string, unit: PriceUnit): number {
  const match = /^(\d{1,12})(?:\.(\d{1,20}))?$/.exec(text);
  if (!match) throw new RangeError(`"${text}" is not a plain decimal number of at least 0`);
  const [, whole = '', fraction = ''] = match;
  const digits = fraction.replace(/0+$/, '');
  const { scale, of } = UNITS[unit];
  if (digits.length > scale) throw inexact(text, `at most ${String(scale)} decimal places`);
  const micros = BigInt(whole + digits.padEnd(scale, '0'));
  if (micros % of !== 0n) throw inexact(text, 'a minute has 60 seconds, and each must have an exact price');
  if (micros / of > MAX_PER_UNIT) throw new RangeError(`"${text}" is more than a thousand for one unit`);
  return Number(micros / of);
}

/** `microsPerMillion` of a token, which costs at most one unit of the currency. */
export function microsPerMillionTokens(text: string, unit: PriceUnit): number {
  const micros = microsPerMillion(text, unit);
  if (micros > MAX_PER_TOKEN) throw new RangeError(`"${text}" is more than one unit per token`);
  return micros;
}

function inexact(text: string, why: string): RangeError {
  return new RangeError(`"${text}" is not a whole number of micro-units per million: ${why}`);
}
