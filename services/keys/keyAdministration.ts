import type { EventStore } from '../../events/eventStore.ts';
import { keyStream } from '../../events/ids.ts';
import type { CaughtUp } from '../accounts/ports.ts';
import { readYourWrites } from '../accounts/readYourWrites.ts';
import { handle } from '../decider.ts';
import type { SignedInUser } from '../http/route.ts';
import type { Runtime } from '../runtime.ts';
import { keyDecider } from './key.decider.ts';
import { checkedId, issued, refusalError } from './keyRefusals.ts';
import { summaryOf } from './keySummary.ts';
import type { OwnedKey } from './ports.ts';

export interface KeyAdministrationParts {
  readonly store: EventStore;
  readonly caughtUp: CaughtUp;
  readonly runtime: Runtime;
}

/** What administrators do to keys of any account. It does not ask whether the caller is one: the route's policy does. */
export class KeyAdministration {
  readonly #parts: KeyAdministrationParts;

  constructor(parts: KeyAdministrationParts) {
    this.#parts = parts;
  }

  /**
   * Disables a key so that its owner cannot enable it, or enables it whoever had disabled it; the event names the
   * administrator. Doing so again changes nothing. Throws ApiError `not_found` and `key_state`, and StoreUnavailable.
   */
  async setActive(
    admin: SignedInUser,
    keyId: string,
    wish: { readonly isActive: boolean; readonly reason: string },
    correlationId: string,
  ): Promise<OwnedKey> {
    const { store, caughtUp, runtime } = this.#parts;
    const handled = await handle(store, keyDecider, keyStream(checkedId(keyId)), {
      type: wish.isActive ? 'ReinstateKey' : 'SuspendKey',
      keyId,
      by: admin.userId,
      reason: wish.reason,
      commandId: runtime.ids.uuid(),
      correlationId,
      now: runtime.clock.now(),
    });
    if (!handled.ok) throw refusalError(handled.refusal);
    await readYourWrites(caughtUp, handled.position, runtime.log);
    const key = issued(handled.state);
    return { ...summaryOf(key), userId: key.userId };
  }
}
