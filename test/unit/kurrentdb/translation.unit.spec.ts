import { describe, expect, it } from 'vitest';
import { StoreUnavailable, type Append } from '../../../events/eventStore.ts';
import { actualRevision, asStoreError, isAnswer, mendsItself } from '../../../infra/kurrentdb/failures.ts';
import { cannotStand, refusedResult } from '../../../infra/kurrentdb/outcomes.ts';
import { contentId, toRecorded, toStored, type KurrentRecord } from '../../../infra/kurrentdb/storedForm.ts';
import { streamFilter } from '../../../infra/kurrentdb/streamFilter.ts';
import { event, id } from '../../contract/eventStoreSteps.ts';

const a = event('a');

function recordOf(changed: Partial<KurrentRecord> = {}): KurrentRecord {
  const { type, data, metadata } = toStored(a);
  const position = { commit: 77n, prepare: 77n };
  return { stream: 'key-1', revision: 2n, type, bytes: data, metadata, position, ...changed };
}

describe('An event in KurrentDB', () => {
  it('comes back as it was', () => {
    expect(toRecorded(recordOf())).toEqual({ ...a, stream: 'key-1', revision: 2n, position: 77n });
  });

  it('has an id that follows from all of it', () => {
    expect(contentId(a)).toBe('f31fab36-1e18-8404-a774-afbfa940a688');
    const others = [{ eventId: id('b') }, { type: 'Other' }, { version: 2 }, { data: '{}' }];
    expect(new Set([a, ...others.map((other) => ({ ...a, ...other }))].map(contentId)).size).toBe(5);
  });

  it.each([
    { what: 'JSON, whose bytes the client does not give', changed: { bytes: null } },
    { what: 'one without metadata', changed: { metadata: undefined } },
    { what: 'one with the metadata of another program', changed: { metadata: { eventId: 7, version: 1 } } },
    { what: 'one with metadata that is no JSON', changed: { metadata: new Uint8Array([1]) } },
  ])('is not ours: $what', ({ changed }) => {
    expect(toRecorded(recordOf(changed))).toBeNull();
  });

  it('must have a position', () => {
    const untold = { commit: 2n ** 64n - 1n, prepare: 2n ** 64n - 1n };
    expect(() => toRecorded(recordOf({ position: untold }))).toThrow('must be 22.6 or later');
    expect(() => toRecorded(recordOf({ position: undefined }))).toThrow('must be 22.6 or later');
  });
});

describe('The filter of streams', () => {
  it.each([
    { categories: undefined, stream: 'key-1', allowed: true },
    { categories: undefined, stream: '$stats-1', allowed: false },
    { categories: undefined, stream: '$$key-1', allowed: false },
    { categories: ['key', 'account'], stream: 'key-1', allowed: true },
    { categories: ['key', 'account'], stream: 'account-1-2', allowed: true },
    { categories: ['key', 'account'], stream: 'key', allowed: true },
    { categories: ['key', 'account'], stream: 'keyring-1', allowed: false },
    { categories: ['key', 'account'], stream: 'request-key-1', allowed: false },
    { categories: ['k.y'], stream: 'key-1', allowed: false },
    { categories: [], stream: 'key-1', allowed: false },
  ])('for $categories and $stream says $allowed, here and on the server', ({ categories, stream, allowed }) => {
    const { pattern, allows } = streamFilter(categories);
    expect([allows(stream), new RegExp(pattern).test(stream)]).toEqual([allowed, allowed]);
  });
});

describe('What a refused append is', () => {
  const append: Append = { stream: 'key-1', expected: 3n, events: [a, event('b')] };
  const standing = append.events.map((each, i) => ({
    ...each,
    stream: 'key-1',
    revision: 4n + BigInt(i),
    position: 9n,
  }));

  it('needs no comparison where the stream is too short to hold it', () => {
    expect([cannotStand(append, 'no_stream'), cannotStand(append, 4n), cannotStand(append, 5n)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it.each([
    { case: 'the same events', there: standing, result: { outcome: 'repeated', revision: 5n, position: 9n } },
    {
      case: 'the same ids with another body',
      there: standing.map((each, i) => (i === 1 ? { ...each, data: '{}' } : each)),
      result: { outcome: 'id_reused', eventId: id('b') },
    },
    { case: 'fewer events', there: standing.slice(0, 1), result: { outcome: 'conflict', actual: 8n } },
    { case: 'none', there: [], result: { outcome: 'conflict', actual: 8n } },
    {
      case: 'another event',
      there: standing.map((each, i) => (i === 0 ? { ...each, eventId: id('x') } : each)),
      result: { outcome: 'conflict', actual: 8n },
    },
  ])('depends on what stands there: $case', ({ there, result }) => {
    expect(refusedResult(append, 8n, there)).toEqual(result);
  });
});

describe('Errors of the client', () => {
  const error = (fields: object, message = 'said the client') => Object.assign(new Error(message), fields);

  it.each([
    { what: 'a raw error of gRPC', raised: error({ code: 14 }), is: StoreUnavailable, mends: true },
    { what: 'a cancelled call', raised: error({ code: 1, type: 'cancelled' }), is: StoreUnavailable, mends: true },
    { what: 'a failed read', raised: error({ type: 'unavailable' }), is: StoreUnavailable, mends: true },
    { what: 'a missed deadline', raised: error({ code: 4 }), is: StoreUnavailable, mends: false },
    { what: 'a failed discovery', raised: error({}), is: StoreUnavailable, mends: false },
    { what: 'a follower', raised: error({ code: 5, type: 'not-leader' }), is: StoreUnavailable, mends: false },
    { what: 'denied access', raised: error({ code: 7, type: 'access-denied' }), is: StoreUnavailable, mends: false },
    { what: 'something that is no error', raised: 'oh', is: StoreUnavailable, mends: false },
  ])('may pass: $what', ({ raised, is, mends }) => {
    const told = asStoreError(raised, 'append');
    expect(told).toBeInstanceOf(is);
    expect(told.cause).toBe(raised);
    expect([isAnswer(raised), mendsItself(raised)]).toEqual([false, mends]);
  });

  it.each([
    { what: 'a deleted stream', raised: error({ code: 9, type: 'stream-deleted' }), is: Error },
    { what: 'an invalid position', raised: error({ code: 3, type: 'unknown' }), is: Error },
    { what: 'a large append', raised: error({ code: 3, type: 'maximum-append-size-exceeded' }), is: TypeError },
    {
      what: 'a large event',
      raised: error({ type: 'unknown' }, 'Maximum Append Event Size of 1 exceeded'),
      is: TypeError,
    },
  ])('do not pass: $what', ({ raised, is }) => {
    const told = asStoreError(raised, 'append');
    expect(told.constructor).toBe(is);
    expect(told.cause).toBe(raised);
    expect(isAnswer(raised)).toBe(true);
  });

  it('tell where a stream ends when they refuse a claim', () => {
    expect(actualRevision(error({ type: 'wrong-expected-version', actualState: 3n }))).toBe(3n);
    expect(actualRevision(error({ type: 'wrong-expected-version', actualState: 'no_stream' }))).toBe('no_stream');
    expect(actualRevision(error({ code: 14 }))).toBeNull();
  });
});
