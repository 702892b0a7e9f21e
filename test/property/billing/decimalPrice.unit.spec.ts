import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPicos } from '../../../events/money.ts';
import { microsPerMillion } from '../../../services/billing/pricebook/decimalPrice.ts';

describe('a price as text', () => {
  it('is what it says: the text of any whole price reads back as that price', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000_000 }), (micros) => {
        expect(microsPerMillion(formatPicos(BigInt(micros) * 1_000_000n), 'perMillion')).toBe(micros);
      }),
    );
  });

  it('means the same per thousand as a thousandth of it per million', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), (nanos) => {
        const digits = String(nanos).padStart(9, '0');
        expect(microsPerMillion(`0.${digits}`, 'perThousand')).toBe(nanos);
      }),
    );
  });

  it('of a minute is sixty times that of a second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000_000_000 }), (micros) => {
        expect(microsPerMillion(formatPicos(BigInt(micros)), 'perUnit')).toBe(micros);
        expect(microsPerMillion(formatPicos(BigInt(micros) * 60n), 'perMinute')).toBe(micros);
      }),
    );
  });

  it('of a minute is refused when a second has no exact price', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000 }), fc.integer({ min: 1, max: 59 }), (seconds, rest) => {
        const text = formatPicos(BigInt(seconds) * 60n + BigInt(rest));
        expect(() => microsPerMillion(text, 'perMinute')).toThrow(RangeError);
      }),
    );
  });

  it('is refused, never rounded, when it is not exact', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 1, max: 9 }), (whole, rest) => {
        expect(() => microsPerMillion(`${String(whole)}.000000${String(rest)}`, 'perMillion')).toThrow(RangeError);
      }),
    );
  });
});
