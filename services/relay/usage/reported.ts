import { METERS, totalTokens, type UsageVector } from '../../../events/meters.ts';

/** What a provider reported. Null: that half was not stated in a usable way, and is estimated. */
export interface ReportedUsage {
  readonly input: UsageVector | null;
  readonly output: UsageVector | null;
  /** Input and output together, from providers that do not divide them. */
  readonly total?: number;
  /** Quantities on meters that count no tokens. */
  readonly other?: UsageVector;
}

export const NOTHING_REPORTED: ReportedUsage = { input: null, output: null };

/** Repeated usage is cumulative: of each half the last one that counts something holds, and no sum is made. */
export function laterUsage(before: ReportedUsage, after: ReportedUsage): ReportedUsage {
  return {
    ...before,
    ...after,
    input: laterHalf(before.input, after.input),
    output: laterHalf(before.output, after.output),
  };
}

export function countsNothing({ input, output }: ReportedUsage): boolean {
  return totalTokens(input ?? {}) + totalTokens(output ?? {}) === 0;
}

function laterHalf(before: UsageVector | null, after: UsageVector | null): UsageVector | null {
  return before === null || (after !== null && totalTokens(after) > 0) ? after : before;
}

/** A vector without the meters that are 0. */
export function withoutZeros(vector: UsageVector): UsageVector {
  const counted: UsageVector = {};
  for (const meter of METERS) {
    const quantity = vector[meter];
    if (quantity) counted[meter] = quantity;
  }
  return counted;
}

/** Takes parts out of a whole; a part larger than what is left of it is cut to that. */
export class Divided {
  rest: number;

  constructor(whole: number) {
    this.rest = whole;
  }

  take(wanted: number | null | undefined): number {
    const taken = Math.min(wanted ?? 0, this.rest);
    this.rest -= taken;
    return taken;
  }
}
