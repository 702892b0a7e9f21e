import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode, MalformedEvent, type DomainEvent } from '../../../events/codec.ts';
import { METERS, totalTokens, usageSource, usageVector } from '../../../events/meters.ts';
import { CURRENCIES } from '../../../events/money.ts';
import {
  accountLimitsSet,
  accountOpened,
  adminRights,
  apiKeyAdministered,
  apiKeyChanged,
  apiKeyIssued,
  apiKeyRenamed,
  apiKeyRestricted,
  apiKeyRotated,
  exampleHash,
  holdExpired,
  invoiceDrafted,
  invoiceFinalized,
  invoiceNumberAllocated,
  periodClosed,
  periodOpened,
  priceBookPublished,
  requestAborted,
  requestAccepted,
  requestCompleted,
  requestFailed,
  usageCorrected,
  usageRecorded,
  userRegistered,
} from '../../support/events.ts';

const examples: readonly DomainEvent[] = [
  userRegistered(),
  adminRights('AdminRightsGranted'),
  adminRights('AdminRightsRevoked'),
  accountOpened(),
  accountLimitsSet(),
  apiKeyIssued(),
  apiKeyRestricted(),
  apiKeyRotated(),
  apiKeyChanged('ApiKeyDisabled'),
  apiKeyChanged('ApiKeyEnabled'),
  apiKeyAdministered('ApiKeySuspended'),
  apiKeyAdministered('ApiKeyReinstated'),
  apiKeyRenamed(),
  apiKeyChanged('ApiKeyRevoked'),
  apiKeyChanged('ApiKeyExpired'),
  priceBookPublished(),
  requestAccepted(),
  usageRecorded(),
  usageCorrected(),
  holdExpired(),
  requestCompleted(),
  requestFailed(),
  requestAborted(),
  periodOpened(),
  periodClosed(),
  invoiceDrafted(),
  invoiceNumberAllocated(),
  invoiceFinalized(),
];

const quantity = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const usage = fc.dictionary(fc.constantFrom(...METERS), quantity).map((vector) => usageVector.parse(vector));
const picosText = fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }).map(String);
const instant = fc
  .date({ min: new Date('1970-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
  .map((date) => date.toISOString());

const anyUsageRecorded = fc
  .record({
    occurredAt: instant,
    requestId: fc.uuid(),
    attempt: quantity,
    model: fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }),
    channel: fc.option(fc.string({ maxLength: 64 })),
    currency: fc.constantFrom(...CURRENCIES),
    usage,
    source: fc.constantFrom(...usageSource.options),
    amountPicos: picosText,
    priceVersion: fc.string().map(exampleHash),
  })
  .map((change) => usageRecorded(change));

describe('the codec', () => {
  it.each(examples.map((event) => [event.type, event] as const))(
    'gives back an encoded %s as it was',
    (_type, event) => {
      expect(decode(encode(event))).toEqual(event);
    },
  );

  it('gives back any usage as it was, whatever a model is called', () => {
    fc.assert(
      fc.property(anyUsageRecorded, (event) => {
        expect(decode(encode(event))).toEqual(event);
      }),
    );
  });

  it('encodes what it decoded into the same bytes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...examples), (event) => {
        const once = decode(encode(event));
        const twice = once && decode(encode(once));
        expect(once && encode(once).data).toBe(twice && encode(twice).data);
      }),
    );
  });

  it('keeps the number of tokens of any version 1', () => {
    const counts = fc.record({
      inputTokens: fc.integer({ min: 0, max: 1e9 }),
      cachedInputTokens: fc.integer({ min: 0, max: 1e9 }),
      outputTokens: fc.integer({ min: 0, max: 1e9 }),
    });
    fc.assert(
      fc.property(counts, fc.boolean(), (tokens, estimated) => {
        const { usage: _usage, source: _source, policy: _policy, ...rest } = usageRecorded();
        const data = JSON.stringify({ ...rest, version: 1, ...tokens, estimated });
        const event = decode({ type: 'UsageRecorded', version: 1, data });
        expect(event?.type === 'UsageRecorded' && totalTokens(event.usage)).toBe(
          tokens.inputTokens + tokens.outputTokens,
        );
      }),
    );
  });

  it('answers random bytes with a MalformedEvent and nothing else', () => {
    const type = fc.constantFrom(...examples.map((event) => event.type));
    const data = fc.oneof(fc.string({ unit: 'binary' }), fc.json());
    fc.assert(
      fc.property(type, fc.integer({ min: -2, max: 4 }), data, (name, version, text) => {
        expect(() => decode({ type: name, version, data: text })).toThrow(MalformedEvent);
      }),
    );
  });
});
