import { ApiError } from '../../http/errors.ts';
import type { CallerKey } from '../ports.ts';
import { Tally } from './tally.ts';

export type IntakeKey = Pick<CallerKey, 'keyId' | 'accountId' | 'concurrency'>;

/** A burst of as many calls as may run comes in whole, and as many again are told by the hold what they met. */
const PLACES_PER_CALL = 2;
/** A small burst is told by the hold, also where the key may make one call at a time. */
const FEWEST_PLACES = 8;
const PLACES_WITHOUT_LIMIT = 256;
const RETRY_MS = 1_000;

/**
 * The calls whose key is known and which are not admitted yet, and the bytes of their bodies. Rate limits, quota and
 * concurrency come only with a whole body; until then this keeps one key from taking the places, and one account from
 * taking the memory, of all. For this process.
 */
export class Intake {
  readonly #places = new Tally();
  readonly #bytes = new Tally();
  readonly #mostBytes: number;
  #heldBytes = 0;

  /** `mostBytes` is raised to four of the largest body, so that the half of an account takes two. */
  constructor(mostBytes: number, largestBody: number) {
    this.#mostBytes = Math.max(mostBytes, 4 * largestBody);
  }

  /** Bytes of all bodies that are held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** A place for one more call of the key. Throws ApiError `concurrency_exceeded` when the key has as many as it may. */
  enter(key: IntakeKey): IntakePlace {
    const most = placesOf(key);
    if (!this.#places.take(key.keyId, most)) {
      const detail = 'Too many calls of this API key wait to be read.';
      throw new ApiError('concurrency_exceeded', { detail, retryAfterMs: RETRY_MS, extra: { limit: most } });
    }
    return new IntakePlace(this, key);
  }

  /** Counts bytes of a body. What is refused is not counted; an account gets half of what there is. */
  hold(accountId: string, bytes: number): ApiError | null {
    if (this.#heldBytes + bytes > this.#mostBytes) {
      return new ApiError('service_unavailable', { retryAfterMs: RETRY_MS });
    }
    if (!this.#bytes.take(accountId, this.#mostBytes / 2, bytes)) {
      const detail = 'Too many large bodies of this account are being read.';
      return new ApiError('concurrency_exceeded', { detail, retryAfterMs: RETRY_MS });
    }
    this.#heldBytes += bytes;
    return null;
  }

  leave({ keyId, accountId }: IntakeKey, bytes: number): void {
    this.#places.giveBack(keyId);
    if (bytes === 0) return;
    this.#bytes.giveBack(accountId, bytes);
    this.#heldBytes -= bytes;
  }
}

/** One call's place, until it is admitted or refused. */
export class IntakePlace {
  readonly #intake: Intake;
  readonly #key: IntakeKey;
  #bytes = 0;
  #left = false;

  constructor(intake: Intake, key: IntakeKey) {
    this.#intake = intake;
    this.#key = key;
  }

  /** Counts a piece of the call's body; the refusal when there is no room for it. */
  hold(bytes: number): ApiError | null {
    const refusal = this.#intake.hold(this.#key.accountId, bytes);
    if (refusal === null) this.#bytes += bytes;
    return refusal;
  }

  /** Gives the place and its bytes back; after the first time, does nothing. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#intake.leave(this.#key, this.#bytes);
  }
}

function placesOf({ concurrency }: IntakeKey): number {
  return concurrency === null ? PLACES_WITHOUT_LIMIT : Math.max(FEWEST_PLACES, PLACES_PER_CALL * concurrency);
}
