import { describe, expect, it } from 'vitest';
import type { InvoiceDocument, LineDocument } from '../../../services/billing/rendering/invoiceDocument.ts';
import type { CallRow } from '../../../services/cli/ports.ts';
import { expectFound, expectSame, Unmet } from '../../../services/demo/expectation.ts';
import { walkBack } from '../../../services/demo/walkBack.ts';

const LINE: LineDocument = {
  line: 1,
  keyId: 'key_1',
  model: 'gpt-4o',
  meter: 'outputText',
  priceVersion: 'a1'.repeat(32),
  quantity: 1_157,
  unitPricePerMillion: '10',
  exactAmount: '0.01157',
  amount: '0.01',
  requestCount: 2,
  requestsHash: 'b2'.repeat(32),
  requestIds: ['one', 'two'],
};
const CALLS = [call('one', 1_125), call('two', 32), call('three', 999)];

function call(requestId: string, outputText: number): CallRow {
  return { requestId, usage: { uncachedInput: 5, outputText } } as unknown as CallRow;
}

function walked(change: Partial<LineDocument> = {}, calls = CALLS): string[] {
  const printed: string[] = [];
  const document = { currency: 'USD', lines: [{ ...LINE, ...change }] } as unknown as InvoiceDocument;
  walkBack(document, calls, (line) => printed.push(line));
  return printed;
}

describe('walking an invoice back to its calls', () => {
  it('spells out the arithmetic of its dearest line', () => {
    expect(walked()).toEqual([
      '   Line 1, walked back to the calls that caused it:',
      '     request one    1125 outputText',
      '     request two      32 outputText',
      '     1157 outputText × 10 USD / 1,000,000 = 0.01157 USD, rounded once to 0.01',
    ]);
  });

  it.each([
    ['a quantity that its calls do not have', { quantity: 1_158 }, 'expected: 1158\n  found:    1157'],
    ['an amount that is not quantity × price', { exactAmount: '0.01158' }, 'expected: 0.01158\n  found:    0.01157'],
    ['a request that is not named', { requestIds: ['one'] }, 'expected: 2\n  found:    1'],
    ['a request that is not in the log', { requestIds: ['one', 'four'] }, 'expected: to be there\n  found:    nothing'],
  ])('refuses %s, and says what was expected', (_what, change, message) => {
    expect(() => walked(change)).toThrow(Unmet);
    expect(() => walked(change)).toThrow(message);
  });
});

describe('an expectation', () => {
  it('passes what is so, and names what is not', () => {
    expect(() => expectSame('the sum', 3n, 3n)).not.toThrow();
    expect(() => expectSame('the sum', 3n, 4n)).toThrow('the sum\n  expected: 4\n  found:    3');
    expect(expectFound('it', 0)).toBe(0);
    expect(() => expectFound('it', null)).toThrow('it\n  expected: to be there\n  found:    nothing');
  });
});
