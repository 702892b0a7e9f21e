import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { limitFields, limitsDocument, limitsText, namedLimits } from '../../../services/cli/limits.ts';

const fields = z.object(limitFields);
const read = (given: object) => namedLimits(fields.parse(given));

describe('limits on the command line', () => {
  it('keep only what was named', () => {
    expect(read({})).toEqual({});
    expect(read({ tokensPerMonth: '1000', concurrency: '3' })).toEqual({ tokensPerMonth: 1_000, concurrency: 3 });
  });

  it('are lifted by "none"', () => {
    expect(read({ tokensPerMonth: 'none', requestsPerMinute: 'none', tokensPerMinute: 'none' })).toEqual({
      tokensPerMonth: null,
      requestsPerMinute: null,
      tokensPerMinute: null,
    });
    expect(read({ spendPerMonth: ['none'] })).toEqual({ spendPerMonth: [] });
  });

  it('take money as decimal text per currency, exactly', () => {
    expect(read({ spendPerMonth: ['USD=12.50', 'CNY=0.000000000001'] })).toEqual({
      spendPerMonth: [
        { currency: 'USD', picos: '12500000000000' },
        { currency: 'CNY', picos: '1' },
      ],
    });
  });

  it.each([
    { spendPerMonth: ['12.50'] },
    { spendPerMonth: ['usd=1'] },
    { spendPerMonth: ['USD=-1'] },
    { spendPerMonth: ['USD=1e3'] },
    { spendPerMonth: ['USD=1', 'USD=2'] },
    { spendPerMonth: ['USD=1', 'none'] },
    { spendPerMonth: ['XXX=1'] },
    { tokensPerMonth: '-1' },
    { tokensPerMonth: '1.5' },
    { tokensPerMonth: '1e309' },
    { tokensPerMonth: '9007199254740993000' },
    { concurrency: '100001' },
  ])('refuse %j', (given) => {
    expect(fields.safeParse(given).success).toBe(false);
  });

  it('read well', () => {
    const limits = {
      ...NO_LIMITS,
      tokensPerMonth: 5,
      spendPerMonth: [{ currency: 'USD' as const, picos: '12500000000000' }],
      concurrency: 2,
    };
    expect(limitsText(limits)).toBe('5 tokens/month, 12.5 USD/month, 2 at once');
    expect(limitsText(NO_LIMITS)).toBe('none');
    expect(limitsDocument(limits)).toEqual({ ...limits, spendPerMonth: { USD: '12.5' } });
  });
});
