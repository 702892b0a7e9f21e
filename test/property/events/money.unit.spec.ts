import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CURRENCIES, formatPicos, parsePicos, picosPerMinorUnit, roundToMinorUnits } from '../../../events/money.ts';

const currency = fc.constantFrom(...CURRENCIES);
const picos = fc.bigInt({ min: -(10n ** 32n) + 1n, max: 10n ** 32n - 1n });

describe('money', () => {
  it('is rounded by at most half a minor unit, and a half goes away from zero', () => {
    fc.assert(
      fc.property(picos, currency, (amount, code) => {
        const unit = picosPerMinorUnit(code);
        const error = roundToMinorUnits(amount, code) * unit - amount;
        const doubled = 2n * error;
        if (amount >= 0n) expect(-unit < doubled && doubled <= unit).toBe(true);
        else expect(-unit <= doubled && doubled < unit).toBe(true);
      }),
    );
  });

  it('is rounded the same on both sides of zero', () => {
    fc.assert(
      fc.property(picos, currency, (amount, code) => {
        expect(roundToMinorUnits(-amount, code)).toBe(-roundToMinorUnits(amount, code));
      }),
    );
  });

  it('is never rounded twice: whole minor units stay as they are', () => {
    fc.assert(
      fc.property(picos, currency, (minor, code) => {
        expect(roundToMinorUnits(minor * picosPerMinorUnit(code), code)).toBe(minor);
      }),
    );
  });

  it('keeps its order when rounded', () => {
    fc.assert(
      fc.property(picos, picos, currency, (a, b, code) => {
        const [less, more] = a < b ? [a, b] : [b, a];
        expect(roundToMinorUnits(less, code) <= roundToMinorUnits(more, code)).toBe(true);
      }),
    );
  });

  it('is the same after it was written and read', () => {
    fc.assert(
      fc.property(picos, (amount) => {
        expect(parsePicos(formatPicos(amount))).toBe(amount);
      }),
    );
  });

  it('is written without an exponent, a leading plus or trailing zeros', () => {
    fc.assert(
      fc.property(picos, (amount) => {
        expect(formatPicos(amount)).toMatch(/^-?(0|[1-9]\d*)(\.\d{0,11}[1-9])?$/);
      }),
    );
  });
});
