import net from 'node:net';
import pg from 'pg';
import type { Log } from '../../services/runtime.ts';
import type { LeaderLock, Leadership } from '../../services/publisher/ports.ts';
import { pause } from '../abortable.ts';

export interface LeaderLockOptions {
  readonly connectionString: string;
  /** What is led; processes that name the same compete. */
  readonly name: string;
  readonly log: Log;
  /**
   * After so much silence the server takes the lock from a leader, be it stopped, cut off or gone without a word; 10 s by
   * default. Servers older than PostgreSQL 14 cannot, and wait until the connection is lost.
   */
  readonly leaseMs?: number;
}

/** How often those who wait ask. */
const ASK_EVERY_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

/** A session-level advisory lock on a connection of its own: the server frees it when that connection is gone. */
export class PostgresLeaderLock implements LeaderLock {
  readonly #options: LeaderLockOptions;
  readonly #leaseMs: number;

  constructor(options: LeaderLockOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 10_000;
  }

  async acquire(signal: AbortSignal): Promise<Leadership | null> {
    const isOver = () => signal.aborted;
    let pauseMs = ASK_EVERY_MS;
    while (!isOver()) {
      const session = new Session(this.#options.connectionString, this.#leaseMs);
      try {
        await session.begin();
        pauseMs = ASK_EVERY_MS;
        while (!isOver()) {
          if (await session.tryLock(this.#options.name)) return session.lead();
          await pause(ASK_EVERY_MS, signal);
        }
      } catch (error) {
        this.#options.log.warn({ err: error, lock: this.#options.name }, 'the lock of the leader cannot be asked for');
      }
      await session.end();
      await pause(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
    return null;
  }
}

/** One connection. Whatever fails on it ends it. */
class Session {
  readonly #client: pg.Client;
  readonly #socket = new net.Socket();
  readonly #lost = new AbortController();
  /** Bounds each call, so that two beats fit into a lease. */
  readonly #timeoutMs: number;
  readonly #leaseMs: number;

  constructor(connectionString: string, leaseMs: number) {
    this.#leaseMs = leaseMs;
    this.#timeoutMs = leaseMs / 3;
    this.#client = new pg.Client({
      connectionString,
      application_name: 'tallystick leader',
      keepAlive: true,
      stream: () => this.#socket,
    });
    this.#client.on('error', () => this.#lose());
    this.#client.on('end', () => this.#lose());
  }

  async begin(): Promise<void> {
    await this.#bounded(this.#client.connect());
    await this.#bounded(
      this.#client.query(
        `SELECT set_config('idle_session_timeout', $1, false)
         WHERE current_setting('server_version_num')::int >= 140000`,
        [String(Math.ceil(this.#leaseMs))],
      ),
    );
  }

  async tryLock(name: string): Promise<boolean> {
    const { rows } = await this.#bounded(
      this.#client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked', [
        `leader ${name}`,
      ]),
    );
    return rows[0]?.locked === true;
  }

  lead(): Leadership {
    void this.#beat();
    return { lost: this.#lost.signal, release: () => this.end() };
  }

  async end(): Promise<void> {
    if (this.#lost.signal.aborted) return;
    const goodbye = this.#bounded(this.#client.end());
    await goodbye.catch(() => undefined);
    this.#lose();
  }

  /** Keeps the session from being idle for too long. */
  async #beat(): Promise<void> {
    const { signal } = this.#lost;
    for (;;) {
      await pause(this.#leaseMs / 4, signal);
      if (signal.aborted) return;
      await this.#bounded(this.#client.query('SELECT 1')).catch(() => undefined);
    }
  }

  #lose(): void {
    this.#socket.destroy();
    this.#lost.abort();
  }

  async #bounded<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const expiry = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the database did not answer in time')), this.#timeoutMs);
    });
    try {
      return await Promise.race([work, expiry]);
    } catch (error) {
      this.#lose();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
