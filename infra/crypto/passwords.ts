import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import type { PasswordHasher } from '../../services/accounts/ports.ts';
import { ApiError } from '../../services/http/errors.ts';

/** Argon2id as OWASP's cheat sheet advises: 19 MiB, two passes, one lane; about 20 ms of one core. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Two at a time leave half of libuv's four threads to files and DNS; 64 waiting ones are served in about a second. */
const DEFAULT_BOUNDS: PasswordBounds = { concurrent: 2, waiting: 64 };

export interface PasswordBounds {
  readonly concurrent: number;
  readonly waiting: number;
}

/** Hashes and verifies off the event loop, a bounded number at once. */
export async function createPasswordHasher(bounds = DEFAULT_BOUNDS): Promise<PasswordHasher> {
  const decoy = await hash(randomBytes(32), COST);
  const gate = new Gate(bounds);
  return {
    hash: (password) => gate.run(() => hash(password, COST)),
    verify: (stored, password) =>
      gate.run(async () => {
        const matches = await verify(stored ?? decoy, password);
        return stored !== null && matches;
      }),
  };
}

class Gate {
  readonly #bounds: PasswordBounds;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(bounds: PasswordBounds) {
    this.#bounds = bounds;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#bounds.concurrent) this.#running += 1;
    else await this.#turn();
    try {
      return await work();
    } finally {
      // The next one takes over this place, so nobody can slip in between.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#bounds.waiting) {
      throw new ApiError('service_unavailable', { retryAfterMs: 1_000 });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
