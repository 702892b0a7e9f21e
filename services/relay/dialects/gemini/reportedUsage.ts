import type { UsageVector } from '../../../../events/meters.ts';
import { Divided, NOTHING_REPORTED, withoutZeros, type ReportedUsage } from '../../usage/reported.ts';
import { isObject, objectsIn, type Json } from '../../wire/json.ts';

/** A token count as it may be stated; null for anything else in its place. */
export function countIn(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/**
 * Splits a usageMetadata into disjoint meters. Cached tokens are inside `promptTokenCount`; tokens of tools come on top
 * of it, and thoughts on top of `candidatesTokenCount`. Where the candidates' count is missing, as it is when it is 0 or
 * not known yet, the total tells it. Parts larger than their whole are cut to it.
 */
export function readUsage(metadata: unknown): ReportedUsage {
  if (!isObject(metadata)) return NOTHING_REPORTED;
  const prompt = countIn(metadata['promptTokenCount']);
  const input = prompt === null ? null : prompt + (countIn(metadata['toolUsePromptTokenCount']) ?? 0);
  return {
    input: input === null ? null : inputVector(input, metadata),
    output: outputVector(outputTokens(metadata, input), metadata),
  };
}

function inputVector(input: number, metadata: Json): UsageVector {
  const divided = new Divided(input);
  const cacheRead = divided.take(countIn(metadata['cachedContentTokenCount']));
  const audioInput = divided.take(uncached(metadata, 'AUDIO'));
  const imageInput = divided.take(uncached(metadata, 'IMAGE'));
  return withoutZeros({ uncachedInput: divided.rest, cacheRead, audioInput, imageInput });
}

function outputTokens(metadata: Json, input: number | null): number | null {
  const candidates = countIn(metadata['candidatesTokenCount']);
  const thoughts = countIn(metadata['thoughtsTokenCount']);
  const total = countIn(metadata['totalTokenCount']);
  if (candidates !== null) return candidates + (thoughts ?? 0);
  if (input !== null && total !== null && total >= input) return total - input;
  return thoughts;
}

function outputVector(output: number | null, metadata: Json): UsageVector | null {
  if (output === null) return null;
  const divided = new Divided(output);
  const reasoning = divided.take(countIn(metadata['thoughtsTokenCount']));
  const audioOutput = divided.take(ofModality(metadata['candidatesTokensDetails'], 'AUDIO'));
  const imageOutput = divided.take(ofModality(metadata['candidatesTokensDetails'], 'IMAGE'));
  return withoutZeros({ outputText: divided.rest, reasoning, audioOutput, imageOutput });
}

/** The details of the prompt include what was cached of each modality. */
function uncached(metadata: Json, modality: string): number {
  const fed =
    ofModality(metadata['promptTokensDetails'], modality) +
    ofModality(metadata['toolUsePromptTokensDetails'], modality);
  return Math.max(0, fed - ofModality(metadata['cacheTokensDetails'], modality));
}

function ofModality(details: unknown, modality: string): number {
  return objectsIn(details)
    .filter((detail) => detail['modality'] === modality)
    .reduce((sum, detail) => sum + (countIn(detail['tokenCount']) ?? 0), 0);
}
