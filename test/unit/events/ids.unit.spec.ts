import { v5 } from 'uuid';
import { describe, expect, it } from 'vitest';
import {
  accountStream,
  deriveId,
  invoiceIdOf,
  invoiceSeriesStream,
  keyStream,
  requestStream,
  streamCategory,
} from '../../../events/ids.ts';

/** Ours, as an independent implementation takes it. */
const NAMESPACE = '5b7e8d0c-4f1a-4c63-b0d9-a2e6f7139c58';

describe('derived ids', () => {
  it('are the uuid v5 of the joined parts in our namespace', () => {
    expect(deriveId('request', 1, 'RequestAccepted')).toBe(v5('request/1/RequestAccepted', NAMESPACE));
  });

  it('never change, for retries recognise each other by them', () => {
    expect(deriveId('0193b6f2-59ff-7a02-8c11-2f4d5e6a7b80', 0, 'RequestAccepted')).toBe(
      '2fe5807d-6685-55de-83cd-4f29d0ea3b6a',
    );
    expect(deriveId()).toBe(v5('', NAMESPACE));
  });

  it('give one invoice to an account, period and currency', () => {
    expect(invoiceIdOf('acct_1', '2026-11', 'USD')).toBe(invoiceIdOf('acct_1', '2026-11', 'USD'));
    expect(invoiceIdOf('acct_1', '2026-11', 'USD')).not.toBe(invoiceIdOf('acct_1', '2026-11', 'CNY'));
  });
});

describe('stream names', () => {
  it('have their category before the first hyphen, whatever the id holds', () => {
    expect(streamCategory(requestStream('0193b6f2-59ff-7a02-8c11-2f4d5e6a7b80'))).toBe('request');
    expect(streamCategory(keyStream('key_1'))).toBe('key');
    expect(streamCategory(accountStream('acct-with-hyphens'))).toBe('account');
    expect(streamCategory(invoiceSeriesStream('INV-2026'))).toBe('invoiceseries');
    expect(streamCategory('lonely')).toBe('lonely');
  });
});
