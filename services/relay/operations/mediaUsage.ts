import { outputTokens, totalTokens, type TokenMeter, type UsageVector } from '../../../events/meters.ts';
import type { Billed } from '../call.ts';
import { Divided, withoutZeros, type ReportedUsage } from '../usage/reported.ts';
import { usageWithCost } from '../usage/usageCost.ts';
import { isObject, type Json } from '../wire/json.ts';

/** A count as a provider may state it; anything else in its place counts as not reported. */
export function countIn(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
}

/**
 * Splits the usage object of images and audio into disjoint meters: cached, audio and image tokens are inside
 * `input_tokens`, text and reasoning inside `output_tokens`; what is left of these is on `made`.
 */
export function readMediaUsage(stated: unknown, made: TokenMeter): ReportedUsage {
  if (!isObject(stated)) return { input: null, output: null };
  return { input: readInput(stated), output: readOutput(stated, made) };
}

function readInput(stated: Json): UsageVector | null {
  const whole = countIn(stated['input_tokens']);
  if (whole === null) return null;
  const details = detailsOf(stated, 'input');
  const tokens = new Divided(whole);
  const cacheRead = tokens.take(countIn(details['cached_tokens']));
  const audioInput = tokens.take(countIn(details['audio_tokens']));
  const imageInput = tokens.take(countIn(details['image_tokens']));
  return withoutZeros({ uncachedInput: tokens.rest, cacheRead, audioInput, imageInput });
}

function readOutput(stated: Json, made: TokenMeter): UsageVector | null {
  const whole = countIn(stated['output_tokens']);
  if (whole === null) return null;
  const details = detailsOf(stated, 'output');
  const tokens = new Divided(whole);
  const reasoning = tokens.take(countIn(details['reasoning_tokens']));
  const outputText = tokens.take(countIn(details['text_tokens']));
  const counted: UsageVector = { reasoning, outputText };
  counted[made] = (counted[made] ?? 0) + tokens.rest;
  return withoutZeros(counted);
}

/** OpenAI spells it in both ways, by endpoint. */
function detailsOf(stated: Json, side: 'input' | 'output'): Json {
  const details = stated[`${side}_tokens_details`] ?? stated[`${side}_token_details`];
  return isObject(details) ? details : {};
}

/** JSON text of the provider's usage object with the tokens that were billed and what they cost. */
export function billedTokens(stated: unknown, { usage, picos, currency }: Billed): string {
  const total = totalTokens(usage);
  const output = outputTokens(usage);
  const counts = { input_tokens: total - output, output_tokens: output, total_tokens: total };
  return usageWithCost({ ...(isObject(stated) && stated), ...counts }, picos, currency);
}
