/**
 * Money is a whole number of picos: 10⁻¹² of a currency's major unit, as `bigint`.
 * A price is a whole number of micro-units per million tokens, so price × tokens is exactly a number of picos.
 */
export type Picos = bigint;

const PICOS_PER_UNIT = 1_000_000_000_000n;

/** Decimal places of the minor unit, per ISO 4217. The currencies a price book may use. */
const MINOR_DIGITS = { USD: 2, CNY: 2, EUR: 2, GBP: 2, JPY: 0 } as const;

export type Currency = keyof typeof MINOR_DIGITS;
export const CURRENCIES = Object.keys(MINOR_DIGITS) as Currency[];

/** Picos in one minor unit (a cent) of the currency. */
export function picosPerMinorUnit(currency: Currency): Picos {
  return PICOS_PER_UNIT / 10n ** BigInt(MINOR_DIGITS[currency]);
}

/** The only rounding in the product: to the currency's minor unit, half away from zero. Returns minor units. */
export function roundToMinorUnits(amount: Picos, currency: Currency): bigint {
  const unit = picosPerMinorUnit(currency);
  const magnitude = amount < 0n ? -amount : amount;
  const rounded = (2n * magnitude + unit) / (2n * unit);
  return amount < 0n ? -rounded : rounded;
}

/** Exact decimal text of an amount in major units, without trailing zeros: `8550000n` → `0.00000855`. */
export function formatPicos(amount: Picos): string {
  return formatScaled(amount, 12).replace(/\.?0+$/, '');
}

/** Decimal text of minor units with the currency's fixed digits: `1205n` USD → `12.05`. */
export function formatMinorUnits(amount: bigint, currency: Currency): string {
  return formatScaled(amount, MINOR_DIGITS[currency]);
}

function formatScaled(amount: bigint, digits: number): string {
  if (digits === 0) return amount.toString();
  const magnitude = (amount < 0n ? -amount : amount).toString().padStart(digits + 1, '0');
  const split = magnitude.length - digits;
  return `${amount < 0n ? '-' : ''}${magnitude.slice(0, split)}.${magnitude.slice(split)}`;
}

/** Reads decimal text in major units. Throws RangeError on anything but at most 12 decimal places and 20 digits before them. */
export function parsePicos(text: string): Picos {
  const match = /^(-?)(\d{1,20})(?:\.(\d{1,12}))?$/.exec(text);
  if (!match) throw new RangeError('not a decimal amount with at most 12 decimal places');
  const [, sign, whole = '0', fraction = ''] = match;
  const magnitude = BigInt(whole) * PICOS_PER_UNIT + BigInt(fraction.padEnd(12, '0'));
  return sign === '-' ? -magnitude : magnitude;
}
