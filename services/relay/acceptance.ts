import type { EncodedEvent } from '../../events/codec.ts';
import { requestStream } from '../../events/ids.ts';
import type { Runtime } from '../runtime.ts';
import type { Settlements } from './ports.ts';

/** A call that ends sooner has all its events in one append; models seldom answer that fast, caches and refusals do. */
const ALONE_AFTER_MS = 50;

/**
 * The `RequestAccepted` of a running call. The hold keeps its bytes, so it cannot be lost; it is appended by itself once
 * the call has lasted a while, and otherwise goes with the settlement.
 */
export class Acceptance {
  readonly #cancel: () => void;
  #appended: Promise<boolean> | null = null;

  constructor(
    requestId: string,
    event: EncodedEvent,
    settlements: Settlements,
    { timers, log }: Pick<Runtime, 'timers' | 'log'>,
  ) {
    this.#cancel = timers.after(ALONE_AFTER_MS, () => {
      this.#appended = settlements
        .append({ stream: requestStream(requestId), expected: 'no_stream', events: [event] })
        .then(
          () => true,
          (error: unknown) => {
            log.error({ error, requestId }, 'RequestAccepted is not durable; the settlement will carry it');
            return false;
          },
        );
    });
  }

  /** Called once, for the settlement: true when the event stands by itself, false when the settlement must carry it. */
  standsAlone(): Promise<boolean> | false {
    this.#cancel();
    return this.#appended ?? false;
  }
}
