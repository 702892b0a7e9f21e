import type { Log } from '../../services/runtime.ts';
import { bounded } from './bounded.ts';
import { asStoreError, isAnswer, isExpected, mendsItself } from './failures.ts';
import type { KurrentClient } from './kurrentClient.ts';

export interface ConnectionOptions {
  readonly name: string;
  readonly makeClient: () => KurrentClient;
  /** Whether the server answers on another connection just now. Never rejects. */
  readonly isServerHealthy: () => Promise<boolean>;
  /** For how long a replaced client may finish what it has. */
  readonly timeoutMs: number;
  readonly log: Log;
}

const FIRST_INTERVAL_MS = 1_000;
/** Each client leaves 0.1 MB behind, so that one every five minutes is 29 MB a day. */
const LONGEST_INTERVAL_MS = 300_000;

/**
 * A client that is replaced when it is dead though the server is healthy. The client comes back by itself after most
 * outages, but not when its first read failed, when discovery failed during its first append, or when an answer that it
 * waits for was lost.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #retired = new Map<KurrentClient, NodeJS.Timeout>();
  #client: KurrentClient | null = null;
  #hasWorked = false;
  #lastWorked = 0;
  #probing = false;
  /** Since when a failure is not the server's, because it was healthy then. */
  #serverHealthySince = Infinity;
  #intervalMs = FIRST_INTERVAL_MS;
  #notBefore = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get client(): KurrentClient {
    this.#client ??= this.#options.makeClient();
    return this.#client;
  }

  /** Does something with the client within a time. Throws what the port throws, and expected answers as they are. */
  async use<T>(doing: string, ms: number, work: (client: KurrentClient) => Promise<T>): Promise<T> {
    const { client } = this;
    const begun = performance.now();
    try {
      const result = await bounded(work(client), ms, doing);
      this.worked(client);
      return result;
    } catch (error) {
      this.failed(client, error, begun);
      throw isExpected(error) ? error : asStoreError(error, doing);
    }
  }

  worked(client: KurrentClient): void {
    if (client !== this.#client) return;
    this.#hasWorked = true;
    this.#lastWorked = performance.now();
    this.#serverHealthySince = Infinity;
    this.#intervalMs = FIRST_INTERVAL_MS;
  }

  /**
   * A call failed that began then, and the client has done nothing else since. The first such failure asks after the
   * server; one that began after a good answer replaces the client.
   */
  failed(client: KurrentClient, error: unknown, begun: number): void {
    if (client !== this.#client) return;
    if (isAnswer(error)) this.worked(client);
    else if (this.#lastWorked >= begun || (this.#hasWorked && mendsItself(error))) return;
    else if (begun >= this.#serverHealthySince) this.replace(client);
    else void this.#probe(client);
  }

  /** Nothing comes back on this client: it is replaced if the server is healthy. */
  async silent(client: KurrentClient): Promise<void> {
    const since = performance.now();
    if (client !== this.#client || !(await this.#options.isServerHealthy())) return;
    if (this.#lastWorked < since) this.replace(client);
  }

  /** Goes on with another client, unless the last one was replaced just now. What the old one has may still be answered. */
  replace(dead: KurrentClient): void {
    if (dead !== this.#client || this.#closed || performance.now() < this.#notBefore) return;
    const { name, makeClient, timeoutMs, log } = this.#options;
    log.warn({ connection: name }, 'a connection to KurrentDB is dead and is replaced');
    this.#client = makeClient();
    this.#hasWorked = false;
    this.#serverHealthySince = Infinity;
    this.#notBefore = performance.now() + this.#intervalMs;
    this.#intervalMs = Math.min(this.#intervalMs * 2, LONGEST_INTERVAL_MS);
    const timer = setTimeout(() => {
      this.#retired.delete(dead);
      dead.dispose();
    }, timeoutMs);
    this.#retired.set(dead, timer);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#retired.values()) clearTimeout(timer);
    for (const client of this.#retired.keys()) client.dispose();
    this.#client?.dispose();
  }

  /** Never rejects. */
  async #probe(client: KurrentClient): Promise<void> {
    if (this.#probing || this.#closed) return;
    this.#probing = true;
    const healthy = await this.#options.isServerHealthy();
    this.#probing = false;
    if (healthy && client === this.#client) this.#serverHealthySince = performance.now();
  }
}
