/** What identifies a row of `hourly`; `hour` is the full UTC hour in which usage fell, as an instant. */
export interface Cell {
  readonly accountId: string;
  readonly keyId: string;
  readonly model: string;
  readonly currency: string;
  readonly hour: string;
}

export interface HourSum extends Cell {
  requests: number;
  failed: number;
  tokens: bigint;
  amount: bigint;
  latencyMsSum: number;
  latencyCount: number;
}

/** The sums of one page, so that each row is written once. */
export class HourSums {
  readonly #sums = new Map<string, HourSum>();

  /** The sum of a cell, to be added to. */
  of({ accountId, keyId, model, currency, hour }: Cell): HourSum {
    const id = `${accountId} ${keyId} ${hour} ${currency} ${model}`;
    let sum = this.#sums.get(id);
    if (!sum) {
      sum = {
        ...{ accountId, keyId, model, currency, hour },
        ...{ requests: 0, failed: 0, tokens: 0n, amount: 0n, latencyMsSum: 0, latencyCount: 0 },
      };
      this.#sums.set(id, sum);
    }
    return sum;
  }

  rows(): readonly HourSum[] {
    return [...this.#sums.values()];
  }
}

/** The UTC hour of an instant: `2026-11-20T09:30:00.000Z` → `2026-11-20T09:00:00.000Z`. */
export function hourOf(instant: string): string {
  return `${instant.slice(0, 13)}:00:00.000Z`;
}
