/** Ten to this power is how many micro-units per million one unit per thousand, or per million, amounts to. */
const SCALE = { perThousand: 9, perMillion: 6 } as const;
export type PriceUnit = keyof typeof SCALE;

const MAX_MICROS_PER_MILLION = 1_000_000_000_000n;

/**
 * Decimal text in major units, `"0.00015"` per thousand, as whole micro-units per million. Throws RangeError, with a
 * sentence for the author of the file, on a sign, an exponent, anything that is not exact, or more than one unit per token.
 */
export function microsPerMillion(text: string, unit: PriceUnit): number {
  const match = /^(\d{1,12})(?:\.(\d{1,20}))?$/.exec(text);
  if (!match) throw new RangeError(`"${text}" is not a plain decimal number of at least 0`);
  const [, whole = '', fraction = ''] = match;
  const digits = fraction.replace(/0+$/, '');
  const scale = SCALE[unit];
  if (digits.length > scale) {
    throw new RangeError(
      `"${text}" is not a whole number of micro-units per million: at most ${String(scale)} decimal places`,
    );
  }
  const micros = BigInt(whole + digits.padEnd(scale, '0'));
  if (micros > MAX_MICROS_PER_MILLION) throw new RangeError(`"${text}" is more than one unit per token`);
  return Number(micros);
}
