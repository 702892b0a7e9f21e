import { describe, expect, it } from 'vitest';
import {
  CURRENCIES,
  formatMinorUnits,
  formatPicos,
  parsePicos,
  picosPerMinorUnit,
  roundToMinorUnits,
} from '../../../events/money.ts';

describe('rounding to minor units', () => {
  const cent = 10_000_000_000n;

  it.each([
    [0n, 0n],
    [1n, 0n],
    [cent / 2n - 1n, 0n],
    [cent / 2n, 1n],
    [cent / 2n + 1n, 1n],
    [cent, 1n],
    [cent + cent / 2n, 2n],
    [2n * cent + cent / 2n, 3n],
    [-(cent / 2n) + 1n, 0n],
    [-(cent / 2n), -1n],
    [-cent - cent / 2n, -2n],
  ])('rounds %d picos of a dollar to %d cents, half away from zero', (picos, cents) => {
    expect(roundToMinorUnits(picos, 'USD')).toBe(cents);
  });

  it('rounds yen, which have no minor unit, to whole yen', () => {
    expect(roundToMinorUnits(499_999_999_999n, 'JPY')).toBe(0n);
    expect(roundToMinorUnits(500_000_000_000n, 'JPY')).toBe(1n);
  });

  it('stays exact far beyond what a float can hold', () => {
    expect(roundToMinorUnits(99_999_999_999_999_999_999_999_994_999_999_999n, 'USD')).toBe(
      9_999_999_999_999_999_999_999_999n,
    );
  });
});

describe('texts of amounts', () => {
  it.each([
    [0n, '0'],
    [8_550_000n, '0.00000855'],
    [1n, '0.000000000001'],
    [1_000_000_000_000n, '1'],
    [1_250_000_000_000n, '1.25'],
    [100_000_000_000_000n, '100'],
    [-450_000_000n, '-0.00045'],
  ])('writes %d picos as %s', (picos, text) => {
    expect(formatPicos(picos)).toBe(text);
    expect(parsePicos(text)).toBe(picos);
  });

  it('writes minor units with the digits of the currency', () => {
    expect(formatMinorUnits(1_205n, 'USD')).toBe('12.05');
    expect(formatMinorUnits(5n, 'EUR')).toBe('0.05');
    expect(formatMinorUnits(-5n, 'CNY')).toBe('-0.05');
    expect(formatMinorUnits(-1_205n, 'JPY')).toBe('-1205');
  });

  it.each(['', '.5', '1.', '1e3', '+1', ' 1', '0.0000000000001', '1,5', '0x10', '-', 'NaN', '1'.repeat(21)])(
    'refuses %j as an amount',
    (text) => {
      expect(() => parsePicos(text)).toThrow(RangeError);
    },
  );

  it('knows how many picos every currency has in a minor unit', () => {
    expect(CURRENCIES.map((currency) => [currency, picosPerMinorUnit(currency)])).toEqual([
      ['USD', 10_000_000_000n],
      ['CNY', 10_000_000_000n],
      ['EUR', 10_000_000_000n],
      ['GBP', 10_000_000_000n],
      ['JPY', 1_000_000_000_000n],
    ]);
  });
});
