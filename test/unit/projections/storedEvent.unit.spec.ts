import { describe, expect, it } from 'vitest';
import { MalformedEvent } from '../../../events/codec.ts';
import { accountIdIn } from '../../../events/envelopeIn.ts';
import { StoredEvent } from '../../../projections/storedEvent.ts';
import { recorded, usageRecorded } from '../../support/events.ts';

const [sound] = recorded([usageRecorded()]);
if (!sound) throw new Error('there is an event');

describe('a stored event', () => {
  it('is decoded once for all who look at it', () => {
    const stored = new StoredEvent(sound);
    expect(stored.event).toEqual(usageRecorded());
    expect(stored.event).toBe(stored.event);
    expect(stored.accountId).toBe('acct_live1');
  });

  it('is null when its type is unknown, and still names its account', () => {
    const stored = new StoredEvent({ ...sound, type: 'MoonLanded' });
    expect(stored.event).toBeNull();
    expect(stored.accountId).toBe('acct_live1');
  });

  it('throws for everybody who looks when it is malformed, and never when it is prepared', () => {
    const stored = new StoredEvent({ ...sound, data: sound.data.slice(1) });
    expect(() => stored.prepare()).not.toThrow();
    expect(() => stored.event).toThrow(MalformedEvent);
    expect(() => stored.event).toThrow(MalformedEvent);
  });
});

describe('the account that stored bytes name', () => {
  it.each([
    ['{"accountId":"acct_1"}', 'acct_1'],
    ['{"note":"\\"accountId\\":\\"acct_2\\"","accountId":"acct_1"}', 'acct_1'],
    ['{"nested":{"accountId":"acct_2"},"accountId":"acct_1"}', 'acct_1'],
    ['{"accountId":"acct_1"', 'acct_1'],
    ['{"nested":{"accountId":"acct_2"}}', '?'],
    ['{"accountId":1}', '?'],
    ['{"accountId":"\\u0000"}', '?'],
    ['{"accountId":"Not An Id"}', '?'],
    ['null', '?'],
    ['', '?'],
  ])('in %s is %s', (data, accountId) => {
    expect(accountIdIn(data)).toBe(accountId);
  });
});
