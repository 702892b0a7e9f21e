import { decode } from '../../../events/codec.ts';
import type { Mode } from '../../../events/envelope.ts';
import type { EventStore } from '../../../events/eventStore.ts';
import { accountStream } from '../../../events/ids.ts';

/** What billing needs to know of an account, from the event that opened it. */
export interface BilledAccount {
  readonly accountId: string;
  readonly mode: Mode;
  readonly zone: string;
  readonly openedAt: string;
}

/** Null when there is no such account. Throws StoreUnavailable. */
export async function readAccount(store: EventStore, accountId: string): Promise<BilledAccount | null> {
  const [first] = await store.readStream(accountStream(accountId), { direction: 'forwards', limit: 1 });
  const event = first && decode(first);
  if (event?.type !== 'AccountOpened') return null;
  return { accountId, mode: event.mode, zone: event.zone, openedAt: event.occurredAt };
}
