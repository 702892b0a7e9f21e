import { parentPort, workerData } from 'node:worker_threads';
import { boundedCount } from './boundedCount.ts';

/** What the worker is asked and answers; `id` pairs them. */
export interface CountOrder {
  readonly id: number;
  readonly texts: readonly string[];
}
export interface CountAnswer {
  readonly id: number;
  readonly counts: readonly number[];
}
export interface TokenWorkerData {
  readonly maxExactCharacters: number;
}

const { maxExactCharacters } = workerData as TokenWorkerData;

parentPort?.on('message', ({ id, texts }: CountOrder) => {
  parentPort?.postMessage({ id, counts: boundedCount(texts, maxExactCharacters) } satisfies CountAnswer);
});
