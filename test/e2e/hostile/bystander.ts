import { expect } from 'vitest';
import { saying } from '../clients/sdk.ts';

/** Another user of the same service, who makes one call after the other and notes how long each takes. */
export class Bystander {
  readonly #url: string;
  readonly #key: string;
  readonly #latenciesMs: number[] = [];
  readonly #failures: string[] = [];
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(baseUrl: string, key: string) {
    this.#url = `${baseUrl}/v1/chat/completions`;
    this.#key = key;
  }

  start(): void {
    this.#running = (async () => {
      while (!this.#stopped) {
        await this.#call();
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    })();
  }

  /** Stops, and asserts that every call was answered and none waited long for somebody else. */
  async expectUndisturbed(slowestMs = 1_500): Promise<void> {
    this.#stopped = true;
    await this.#running;
    expect(this.#failures).toEqual([]);
    expect(this.#latenciesMs.length).toBeGreaterThan(5);
    expect(Math.max(...this.#latenciesMs)).toBeLessThan(slowestMs);
  }

  async #call(): Promise<void> {
    const startedAt = performance.now();
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
        body: JSON.stringify(saying('Good day')),
      });
      const body = await response.text();
      if (response.status !== 200) this.#failures.push(body);
    } catch (error) {
      this.#failures.push(String(error));
    }
    this.#latenciesMs.push(performance.now() - startedAt);
  }
}
