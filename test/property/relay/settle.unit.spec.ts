import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../events/codec.ts';
import { TOKEN_METERS, totalTokens, type UsageVector } from '../../../events/meters.ts';
import type { PriceBookPublished } from '../../../events/pricebook/pricebook.events.ts';
import { rateUpperBound } from '../../../services/billing/rating/rate.ts';
import { settle, type AdmittedCall } from '../../../services/relay/settle.ts';
import { MODEL, PRICE_VERSION, requestAccepted } from '../../support/events.ts';

type Price = PriceBookPublished['models'][number]['price'];

const tokens = fc.oneof(fc.nat(50), fc.nat(1_000_000), fc.integer({ min: 0, max: 2 ** 50 }));
const usage: fc.Arbitrary<UsageVector> = fc.dictionary(fc.constantFrom(...TOKEN_METERS), tokens);
const unit = fc.nat(100_000_000);
const perMeter = fc
  .tuple(unit, unit, fc.dictionary(fc.constantFrom(...TOKEN_METERS), unit))
  .map(([input, output, others]): Price => ({ meters: { ...others, uncachedInput: input, outputText: output } }));
const price: fc.Arbitrary<Price> = fc.oneof(
  perMeter,
  unit.map((blended): Price => ({ blended })),
);

describe('Whatever was measured', () => {
  it('the bill is never above the hold, in tokens or in money, and both events are valid', () => {
    fc.assert(
      fc.property(usage, price, fc.nat(2_000_000), fc.nat(2_000_000), (measured, modelPrice, input, output) => {
        const call: AdmittedCall = {
          accepted: requestAccepted(),
          priced: { model: MODEL, currency: 'USD', priceVersion: PRICE_VERSION, price: modelPrice, maxOutputTokens: 1 },
          bounds: { inputTokens: input, outputTokens: output, other: {} },
        };
        const settlement = settle(
          call,
          { usage: measured, source: 'reported' },
          [],
          { type: 'RequestCompleted', finishReason: null },
          { now: 0, latencyMs: 0, firstByteMs: null },
        );
        expect(settlement.picos).toBeLessThanOrEqual(rateUpperBound(modelPrice, input, output));
        expect(totalTokens(settlement.usage)).toBeLessThanOrEqual(input + output);
        for (const meter of TOKEN_METERS) {
          expect(settlement.usage[meter] ?? 0).toBeLessThanOrEqual(measured[meter] ?? 0);
        }
        const cut = totalTokens(settlement.usage) < totalTokens(measured);
        expect(settlement.clamped).toBe(cut);
        expect(settlement.append.events.map((stored) => decode(stored))).toMatchObject([
          { type: 'UsageRecorded', amountPicos: settlement.picos.toString(), policy: cut ? 'clamped_to_hold' : null },
          { type: 'RequestCompleted' },
        ]);
      }),
      { numRuns: 1_000 },
    );
  });
});
