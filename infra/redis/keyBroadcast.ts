import type { Redis } from 'ioredis';
import type { Log } from '../../services/runtime.ts';
import { closeRedis, connectSubscriber } from './connection.ts';

const CHANNEL = 'tallystick:keys';

export interface KeyBroadcastOptions {
  readonly log: Log;
  /** Another process, or this one, says that the log has come this far. It may be said twice, late, never, or wrongly. */
  readonly onHeard: (position: bigint) => void;
}

/**
 * Tells every process on a Redis that keys or accounts have changed, so that they look at the event store now. It says
 * where to look and nothing else, and it is only an accelerator: whoever hears nothing finds out at the next poll.
 */
export class KeyBroadcast {
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #log: Log;

  /** Announces on a connection of the caller's, and hears on one of its own. */
  constructor(redis: Redis, options: KeyBroadcastOptions) {
    this.#redis = redis;
    this.#log = options.log;
    this.#subscriber = connectSubscriber(redis, { name: 'keys', log: options.log });
    this.#subscriber.on('message', (_channel: string, text: string) => {
      if (/^\d{1,19}$/.test(text)) options.onHeard(BigInt(text));
    });
    this.#subscriber.subscribe(CHANNEL).catch((error: unknown) => {
      this.#log.warn({ error }, 'changes of keys are not heard from other processes');
    });
  }

  /** Best effort; never throws. */
  announce(position: bigint): void {
    this.#redis.publish(CHANNEL, String(position)).catch((error: unknown) => {
      this.#log.info({ error, position: String(position) }, 'a change of keys was not announced; others will poll');
    });
  }

  async close(): Promise<void> {
    await closeRedis(this.#subscriber);
  }
}
