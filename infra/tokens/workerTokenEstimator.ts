import { Worker } from 'node:worker_threads';
import type { TokenEstimator } from '../../services/relay/ports.ts';
import type { Log } from '../../services/runtime.ts';
import { estimateByCharacters } from './estimateByCharacters.ts';
import type { CountAnswer, CountOrder, TokenWorkerData } from './tokenWorker.ts';

export interface WorkerTokenEstimatorOptions {
  /** Characters that may wait for the worker; beyond, the formula answers at once. */
  readonly maxWaitingCharacters?: number;
  /** Characters of one order that are tokenized; at worst some 1 s of the worker's time. */
  readonly maxExactCharacters?: number;
  /** After this time the formula answers. */
  readonly timeoutMs?: number;
  /** The worker's script; another one in tests. */
  readonly script?: URL;
}

interface Pending {
  readonly texts: readonly string[];
  readonly characters: number;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (counts: readonly number[]) => void;
}

const DEFAULTS = {
  maxWaitingCharacters: 16_777_216,
  maxExactCharacters: 262_144,
  timeoutMs: 5_000,
  script: new URL('./tokenWorker.ts', import.meta.url),
} satisfies Required<WorkerTokenEstimatorOptions>;

/** A worker that dies at once is not started again and again. */
const RESTART_PAUSE_MS = 5_000;

/**
 * Counts o200k_base tokens in a worker thread, started with the first order. Whenever the worker cannot answer (too much
 * is waiting, it is slow, it died) a formula over characters does. Does not keep the process alive.
 */
export class WorkerTokenEstimator implements TokenEstimator {
  readonly #options: Required<WorkerTokenEstimatorOptions>;
  readonly #log: Log;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | null = null;
  #notBefore = Number.NEGATIVE_INFINITY;
  #waitingCharacters = 0;
  #lastId = 0;
  #closed = false;

  constructor(runtime: { readonly log: Log }, options: WorkerTokenEstimatorOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
    this.#log = runtime.log;
  }

  count(texts: readonly string[]): Promise<readonly number[]> {
    const characters = texts.reduce((sum, text) => sum + text.length, 0);
    if (characters === 0) return Promise.resolve(texts.map(() => 0));
    const fits = this.#waitingCharacters + characters <= this.#options.maxWaitingCharacters;
    const worker = fits ? this.#running() : null;
    return worker ? this.#order(worker, texts, characters) : Promise.resolve(texts.map(estimateByCharacters));
  }

  /** Answers what waits by the formula and stops the worker. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#giveUpOn(worker);
    await worker?.terminate();
  }

  #order(worker: Worker, texts: readonly string[], characters: number): Promise<readonly number[]> {
    return new Promise((resolve) => {
      const id = (this.#lastId += 1);
      const timer = setTimeout(() => this.#tooSlow(worker), this.#options.timeoutMs);
      this.#pending.set(id, { texts, characters, timer, resolve });
      this.#waitingCharacters += characters;
      worker.postMessage({ id, texts } satisfies CountOrder);
    });
  }

  #running(): Worker | null {
    if (this.#worker || this.#closed || performance.now() < this.#notBefore) return this.#worker;
    const workerData: TokenWorkerData = { maxExactCharacters: this.#options.maxExactCharacters };
    const worker = new Worker(this.#options.script, { workerData, name: 'tokens' });
    worker.unref();
    worker.on('message', (answer: CountAnswer) => this.#answered(answer));
    worker.on('error', (error: Error) => this.#log.warn({ error }, 'the token worker failed'));
    worker.on('exit', () => this.#giveUpOn(worker));
    this.#worker = worker;
    return worker;
  }

  #answered({ id, counts }: CountAnswer): void {
    const pending = this.#take(id);
    pending?.resolve(counts);
  }

  /** The worker does one order after another, so all that wait behind a slow one are slow. */
  #tooSlow(worker: Worker): void {
    if (worker !== this.#worker) return;
    this.#log.warn({ waiting: this.#pending.size }, 'the token worker is too slow and is replaced');
    this.#giveUpOn(worker);
    void worker.terminate();
  }

  /** Answers everything that this worker owes by the formula; the next order starts another one, after a pause. */
  #giveUpOn(worker: Worker | null): void {
    if (worker === null || worker !== this.#worker) return;
    this.#worker = null;
    this.#notBefore = performance.now() + RESTART_PAUSE_MS;
    for (const id of [...this.#pending.keys()]) {
      const pending = this.#take(id);
      pending?.resolve(pending.texts.map(estimateByCharacters));
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (!pending) return undefined;
    clearTimeout(pending.timer);
    this.#pending.delete(id);
    this.#waitingCharacters -= pending.characters;
    return pending;
  }
}
