import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { decode, encode, MalformedEvent } from '../../../events/codec.ts';
import { totalTokens } from '../../../events/meters.ts';
import { usageRecorded } from '../../support/events.ts';

const sample = new URL('../../support/samples/usageRecorded.v1.json', import.meta.url);

describe('encoding', () => {
  it('stores the whole event as JSON beside what a store needs to know', () => {
    const event = usageRecorded();
    const encoded = encode(event);
    expect(encoded).toEqual({
      eventId: event.eventId,
      type: 'UsageRecorded',
      version: 2,
      data: JSON.stringify(event),
    });
  });
});

describe('decoding', () => {
  it('skips a type that this program does not know', () => {
    expect(decode({ type: 'MoonLanded', version: 1, data: 'not even JSON' })).toBeNull();
  });

  it.each([
    ['no JSON', '{"type":'],
    ['another shape', '{}'],
    ['another type', encode(usageRecorded()).data.replace('"UsageRecorded"', '"UsageCorrected"')],
    ['a float for money', JSON.stringify({ ...usageRecorded(), amountPicos: 0.1 })],
    ['exponents for money', JSON.stringify({ ...usageRecorded(), amountPicos: '1e309' })],
    ['a quantity past 2⁵³', JSON.stringify({ ...usageRecorded(), usage: { outputText: 2 ** 53 } })],
    ['an unknown meter', JSON.stringify({ ...usageRecorded(), usage: { __proto__x: 1 } })],
    ['a local time', JSON.stringify({ ...usageRecorded(), occurredAt: '2026-11-20T09:30:00.000+01:00' })],
    ['another currency', JSON.stringify({ ...usageRecorded(), currency: 'XXX' })],
  ])('refuses %s', (_name, data) => {
    expect(() => decode({ type: 'UsageRecorded', version: 2, data })).toThrow(MalformedEvent);
  });

  it('keeps the reason of a refusal as its cause', () => {
    const attempt = () => decode({ type: 'UsageRecorded', version: 2, data: '{' });
    expect(attempt).toThrow('UsageRecorded version 2 does not parse');
    expect(attempt).toThrow(expect.objectContaining({ cause: expect.any(SyntaxError) as unknown }));
  });

  it('refuses a version that nothing leads up from', () => {
    const { data } = encode(usageRecorded());
    expect(() => decode({ type: 'UsageRecorded', version: 0, data })).toThrow(
      'no upcaster for UsageRecorded version 0',
    );
  });

  it('refuses a version from the future', () => {
    const data = JSON.stringify({ ...usageRecorded(), version: 3 });
    expect(() => decode({ type: 'UsageRecorded', version: 3, data })).toThrow(MalformedEvent);
  });
});

describe('a stored UsageRecorded of version 1', () => {
  it('becomes the disjoint vector and keeps its amount', async () => {
    const data = await readFile(sample, 'utf8');
    expect(decode({ type: 'UsageRecorded', version: 1, data })).toEqual({
      type: 'UsageRecorded',
      version: 2,
      eventId: '0193b6f2-5a10-7c41-9d2e-6f1f0a9b3c55',
      occurredAt: '2026-03-02T11:04:05.678Z',
      accountId: 'acct_7f3k9',
      correlationId: '0193b6f2-59ff-7a02-8c11-2f4d5e6a7b80',
      causationId: null,
      requestId: '0193b6f2-59ff-7a02-8c11-2f4d5e6a7b80',
      attempt: 1,
      keyId: 'key_2m8q4',
      model: 'gpt-4o-mini',
      channel: 'primary',
      mode: 'live',
      priceVersion: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      currency: 'USD',
      quotaPeriod: '2026-03',
      usage: { uncachedInput: 1_000, cacheRead: 200, outputText: 350 },
      source: 'reported',
      amountPicos: '375000000',
      policy: null,
    });
  });

  it('keeps its number of tokens, also when it claims more cached tokens than input', async () => {
    const stored = JSON.parse(await readFile(sample, 'utf8')) as Record<string, unknown>;
    const data = JSON.stringify({ ...stored, inputTokens: 100, cachedInputTokens: 200, estimated: true });
    const event = decode({ type: 'UsageRecorded', version: 1, data });
    expect(event).toMatchObject({ usage: { uncachedInput: 0, cacheRead: 100, outputText: 350 }, source: 'estimated' });
    expect(event?.type === 'UsageRecorded' && totalTokens(event.usage)).toBe(450);
  });

  it('is refused when it is not of its own version', async () => {
    const stored = JSON.parse(await readFile(sample, 'utf8')) as Record<string, unknown>;
    const data = JSON.stringify({ ...stored, inputTokens: -1 });
    expect(() => decode({ type: 'UsageRecorded', version: 1, data })).toThrow(MalformedEvent);
  });
});
