import type { UsageSource, UsageVector } from '../../../../events/meters.ts';
import type { ChannelQuirks, Protocol } from '../../../../services/relay/ports.ts';

/** Four words in two pieces: an estimate counts 4 tokens of output. */
export const SAID = ['four words ', 'are here'] as const;
export const ALL_SAID = SAID.join('');

/** What a provider states, and what it comes to. Amounts are at `PICOS` of the golden call. */
export interface UsageCase {
  readonly what: string;
  /** JSON texts of the usage objects of one answer, in their order. */
  readonly states: readonly string[];
  readonly usage: UsageVector;
  readonly source: UsageSource;
  readonly picos: bigint;
  /** It is more than the hold. */
  readonly clamped?: boolean;
  /** A whole answer states something else, or the case is one of streams. */
  readonly streamedOnly?: boolean;
}

/** A provider as it reports usage. */
export interface UsageProvider {
  readonly name: string;
  readonly protocol: Protocol;
  /** The client whose estimates the cases have. */
  readonly client: string;
  readonly quirks?: Partial<ChannelQuirks>;
  readonly streamType: string;
  readonly stream: (states: readonly string[]) => readonly string[];
  /** A whole answer with the last of the states; null for a provider that is always asked for a stream. */
  readonly whole: ((states: readonly string[]) => string) | null;
  readonly cases: readonly UsageCase[];
}

export const SSE = 'text/event-stream; charset=utf-8';

export function nameless(...values: readonly unknown[]): string[] {
  return values.map((value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`);
}

/** JSON text of an object with one more member, given as text: it may state what no number is. */
export function withMember(object: object, name: string, text: string | undefined): string {
  if (text === undefined) return JSON.stringify(object);
  const json = JSON.stringify(object);
  return `${json.slice(0, -1)}${json === '{}' ? '' : ','}"${name}":${text}}`;
}
