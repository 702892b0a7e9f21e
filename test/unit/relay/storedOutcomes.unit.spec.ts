import { describe, expect, it } from 'vitest';
import { encode, type DomainEvent } from '../../../events/codec.ts';
import { requestStream } from '../../../events/ids.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { StoredOutcomes } from '../../../services/relay/storedOutcomes.ts';
import {
  LIVE_ACCOUNT,
  requestAborted,
  requestAccepted,
  requestCompleted,
  requestFailed,
  requestIdOf,
  usageCorrected,
  usageRecorded,
} from '../../support/events.ts';

const requestId = requestIdOf('asked for');

/** What the record says of the call when these are its events. */
async function outcomeAfter(...events: readonly DomainEvent[]) {
  const store = new MemoryEventStore();
  if (events.length > 0) {
    await store.append({ stream: requestStream(requestId), expected: 'no_stream', events: events.map(encode) });
  }
  return new StoredOutcomes(store).find(LIVE_ACCOUNT, requestId);
}

const accepted = requestAccepted({ requestId });
const recorded = usageRecorded({ requestId });
const known = { currency: 'USD', model: 'gpt-4o-mini', acceptedAt: '2026-11-20T09:30:00.000Z' };

describe('How a call stands in the record', () => {
  it('is unknown before its acceptance is there', async () => {
    expect(await outcomeAfter()).toBeNull();
  });

  it('is accepted, and nothing more, while it runs', async () => {
    expect(await outcomeAfter(accepted)).toEqual({ status: 'accepted', usage: null, picos: 0n, ...known });
  });

  it.each([
    ['completed', requestCompleted({ requestId })],
    ['failed', requestFailed({ requestId })],
    ['aborted', requestAborted({ requestId })],
  ] as const)('is %s from the moment of its settlement, with what was charged', async (status, ending) => {
    expect(await outcomeAfter(accepted, recorded, ending)).toEqual({
      status,
      usage: recorded.usage,
      picos: 450_000_000n,
      ...known,
    });
  });

  it('has the usage of the last correction', async () => {
    const outcome = await outcomeAfter(
      accepted,
      recorded,
      requestAborted({ requestId }),
      usageCorrected({ requestId }),
    );
    expect(outcome).toMatchObject({ status: 'aborted', picos: 390_000_000n, usage: { outputText: 400 } });
  });

  it('is told to no other account', async () => {
    const theirs = requestAccepted({ requestId, accountId: 'acct_other' });
    expect(await outcomeAfter(theirs, usageRecorded({ requestId, accountId: 'acct_other' }))).toBeNull();
  });
});
