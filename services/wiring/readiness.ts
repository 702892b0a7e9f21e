import type { Core } from './core.ts';

/** A part of a process that can keep it from being ready. `head` is the newest position of the log. */
export interface ReadyPart {
  problems(head: bigint): readonly string[];
}

/** Why a process should get no work: what its parts say, an event store that does not answer, or that it is stopping. */
export class Readiness {
  readonly #core: Pick<Core, 'store' | 'runtime'>;
  readonly #parts: readonly ReadyPart[];
  #draining = false;

  constructor(core: Pick<Core, 'store' | 'runtime'>, parts: readonly ReadyPart[]) {
    this.#core = core;
    this.#parts = parts;
  }

  drain(): void {
    this.#draining = true;
  }

  async problems(): Promise<readonly string[]> {
    const problems: string[] = this.#draining ? ['shutting down'] : [];
    let head = 0n;
    try {
      head = await this.#core.store.head();
    } catch (error) {
      this.#core.runtime.log.warn({ error }, 'not ready: the event store does not answer');
      problems.push('the event store does not answer');
    }
    for (const part of this.#parts) problems.push(...part.problems(head));
    return problems;
  }
}
