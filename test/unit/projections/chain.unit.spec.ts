import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { chainHash, GENESIS } from '../../../projections/audit/chain.ts';
import { recorded, usageRecorded } from '../../support/events.ts';

const [event] = recorded([usageRecorded({ model: 'naïve 模型' })], 41n);
if (!event) throw new Error('there is an event');

describe('the hash of an event in its chain', () => {
  it('is SHA-256 over the previous hash, the header lines and the stored bytes', () => {
    const previous = Buffer.alloc(32, 7);
    const expected = createHash('sha256')
      .update(previous)
      .update(`42\n${event.stream}\n0\n${event.eventId}\nUsageRecorded\n2\n`, 'utf8')
      .update(event.data, 'utf8')
      .digest();
    expect(chainHash(previous, event)).toEqual(expected);
  });

  it('begins with 32 zero bytes', () => {
    expect(GENESIS).toEqual(Buffer.alloc(32));
  });

  it.each([
    ['previous hash', Buffer.alloc(32, 1), {}],
    ['position', GENESIS, { position: 43n }],
    ['stream', GENESIS, { stream: 'request-other' }],
    ['revision', GENESIS, { revision: 1n }],
    ['event id', GENESIS, { eventId: '00000000-0000-5000-8000-000000000000' }],
    ['type', GENESIS, { type: 'UsageRecorded2' }],
    ['version', GENESIS, { version: 1 }],
    ['bytes', GENESIS, { data: event.data.replace('primary', 'primarz') }],
  ])('changes with the %s', (_what, previous, change) => {
    expect(chainHash(previous, { ...event, ...change })).not.toEqual(chainHash(GENESIS, event));
  });

  it('cannot be had by moving bytes from one field to the next', () => {
    const moved = { ...event, stream: `${event.stream}\n0`, revision: 0n };
    expect(chainHash(GENESIS, moved)).not.toEqual(chainHash(GENESIS, event));
  });
});
