import type { UsageVector } from '../../../events/meters.ts';
import type { Protocol } from '../../../services/relay/ports.ts';
import type { ScriptedCall } from '../scriptedUpstream.ts';

/** What a provider is to say, in no protocol yet. */
export interface VendorAnswer {
  readonly thinking: string;
  /** One piece of a stream each. */
  readonly text: readonly string[];
  readonly calls: readonly { readonly name: string; readonly arguments: object }[];
  /** It ends because it has become too long. */
  readonly cut: boolean;
}

/** A stream in two halves: with the first one its client has all of the content, with the second one its end. */
export interface VendorStream {
  readonly begun: readonly string[];
  readonly ended: readonly string[];
}

export type FailureStatus = 400 | 401 | 429 | 500;

export interface VendorFailure {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** How one provider speaks, as its own reference documents it. Every answer reports the tokens below. */
export interface Vendor {
  readonly protocol: Protocol;
  /** Of a channel's base URL, behind the vendor's own prefix. */
  readonly basePath: string;
  /** Its name for the model that it serves. */
  readonly model: string;
  readonly contentType: string;
  /** Whether this call asks for a stream. */
  streams(call: ScriptedCall): boolean;
  stream(answer: VendorAnswer): VendorStream;
  whole(answer: VendorAnswer): object;
  /** The vendor's form of what another one would say with this status. */
  failure(status: FailureStatus): VendorFailure;
  /** An error in a stream that has begun. */
  readonly streamFailure: string;
  /** What the books must have of an answer. */
  usage(answer: VendorAnswer): UsageVector;
}

/** Every vendor reports these, as far as it can tell them apart. */
export const INPUT = 20;
export const CACHED = 8;
export const OUTPUT = 12;
export const REASONING = 5;
/** Seconds, for vendors that say when to come back. */
export const RETRY_AFTER = 7;

/** The tokens of an answer of a vendor that tells cached and reasoning tokens apart. */
export function dividedUsage({ thinking }: VendorAnswer): UsageVector {
  const input = { uncachedInput: INPUT - CACHED, cacheRead: CACHED };
  return thinking === ''
    ? { ...input, outputText: OUTPUT }
    : { ...input, outputText: OUTPUT - REASONING, reasoning: REASONING };
}

/** The tokens of an answer of a vendor that counts both sides only. */
export const PLAIN_USAGE: UsageVector = { uncachedInput: INPUT, outputText: OUTPUT };

/** Server-sent events, as most vendors frame them. */
export function dataLine(value: unknown): string {
  return `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
}

export function wantsStream(call: ScriptedCall): boolean {
  return (call.json() as { stream?: unknown }).stream === true;
}

/** The sentence that a vendor puts beside a status. */
export const SENTENCES: Readonly<Record<FailureStatus, string>> = {
  400: 'temperature: this model takes no such value',
  401: 'Incorrect API key provided: sk-operators-own-secret',
  429: 'Too many requests, slow down',
  500: 'The server had an error',
};

/** Half of a JSON text, so that a reader must put the halves together. */
export function halves(json: string): readonly [string, string] {
  const middle = Math.floor(json.length / 2);
  return [json.slice(0, middle), json.slice(middle)];
}
