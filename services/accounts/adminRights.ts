import type { EventStore } from '../../events/eventStore.ts';
import { userStream } from '../../events/ids.ts';
import { handle, load } from '../decider.ts';
import type { Runtime } from '../runtime.ts';
import { userDecider, type ChangeAdminRights } from './user.decider.ts';

/**
 * Whether a user is an administrator now. The user's own stream says so, not the token and not a read model: rights that
 * are granted or revoked count from the next call on, in every process. Throws StoreUnavailable.
 */
export async function isAdmin(store: EventStore, userId: string): Promise<boolean> {
  const { state } = await load(store, userDecider, userStream(userId));
  return state.status === 'registered' && state.isAdmin;
}

/** True when the rights changed, false when they were so already, null when there is no such user. Throws StoreUnavailable. */
export async function changeAdminRights(
  { store, runtime }: { readonly store: EventStore; readonly runtime: Runtime },
  wish: Pick<ChangeAdminRights, 'type' | 'userId' | 'reason' | 'correlationId'>,
): Promise<boolean | null> {
  const command = { ...wish, commandId: runtime.ids.uuid(), now: runtime.clock.now() };
  const handled = await handle(store, userDecider, userStream(wish.userId), command);
  return handled.ok ? handled.events.length > 0 : null;
}
