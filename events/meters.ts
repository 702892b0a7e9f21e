import { z } from 'zod';

/**
 * What is counted. The token meters are disjoint: every token of a call is on exactly one of them,
 * so their sum is the number of tokens and their prices never overlap.
 */
export const TOKEN_METERS = [
  'uncachedInput',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'outputText',
  'reasoning',
  'audioInput',
  'audioOutput',
  'imageInput',
  'imageOutput',
] as const;

export const OTHER_METERS = ['requests', 'images', 'characters', 'seconds'] as const;
export const METERS = [...TOKEN_METERS, ...OTHER_METERS] as const;

export type TokenMeter = (typeof TOKEN_METERS)[number];
export type Meter = (typeof METERS)[number];

/** Quantities per meter; an absent meter is 0. Tokens and counts are whole numbers up to 2⁵³ − 1. */
export const usageVector = z.partialRecord(z.enum(METERS), z.int().min(0));
export type UsageVector = z.infer<typeof usageVector>;

/** Tokens of all kinds: what monthly token quotas count. */
export function totalTokens(usage: UsageVector): number {
  let sum = 0;
  for (const meter of TOKEN_METERS) sum += usage[meter] ?? 0;
  return sum;
}

/** The token meters of each side of a call. */
export const INPUT_METERS = [
  'uncachedInput',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'audioInput',
  'imageInput',
] as const satisfies readonly TokenMeter[];
export const OUTPUT_METERS = [
  'outputText',
  'reasoning',
  'audioOutput',
  'imageOutput',
] as const satisfies readonly TokenMeter[];

/** Tokens that went in, cached or not: what long-context thresholds look at. Negative when quantities are taken back. */
export function inputTokens(usage: Readonly<Partial<Record<Meter, number>>>): number {
  let sum = 0;
  for (const meter of INPUT_METERS) sum += usage[meter] ?? 0;
  return sum;
}

/** Tokens that came out, shown or not. */
export function outputTokens(usage: Readonly<Partial<Record<Meter, number>>>): number {
  let sum = 0;
  for (const meter of OUTPUT_METERS) sum += usage[meter] ?? 0;
  return sum;
}

/** Where a quantity came from. `none`: nothing was delivered, so nothing is charged. `unknown`: lost, settled by declared policy. */
export const usageSource = z.enum(['reported', 'estimated', 'mixed', 'unknown', 'none']);
export type UsageSource = z.infer<typeof usageSource>;
