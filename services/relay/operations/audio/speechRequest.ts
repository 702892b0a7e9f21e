import { z } from 'zod';
import type { Bounds, PromptToCount } from '../../call.ts';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';
import { hasNoTokens, isSoldByToken } from '../meteredBy.ts';

/** OpenAI takes 4 096 characters; others take more. */
const MAX_INPUT = 32_768;
/** OpenAI's voices make some 21 tokens per second of sound; the slowest take under 1.5 s for a syllable of one character. */
const OUTPUT_TOKENS_PER_CHARACTER = 32;
const OUTPUT_TOKENS_PER_REQUEST = 256;
const INPUT_TOKENS_PER_REQUEST = 64;
/** At some 14 characters per second. */
const TYPICAL_OUTPUT_PER_CHARACTER = 1.5;

/** `POST /v1/audio/speech`: what we act on, with bounds; every other field is passed through untouched. */
const speechBody = z.looseObject({
  model: z.string().min(1).max(200),
  input: z.string().min(1).max(MAX_INPUT),
  instructions: z.string().max(MAX_INPUT).nullish(),
  response_format: z.string().max(32).nullish(),
  stream_format: z.enum(['sse', 'audio']).nullish(),
});
export type SpeechBody = z.infer<typeof speechBody>;

export function parseSpeechBody(raw: Buffer, maxDepth: number): SpeechBody {
  return readJsonBody(raw, maxDepth, speechBody, OUR_MEMBERS);
}

const OUR_MEMBERS = spellingOf(Object.keys(speechBody.shape));

/** Characters as a reader counts them, not as UTF-16 does. */
export function charactersIn({ input }: SpeechBody): number {
  return Array.from(input).length;
}

/** No limit of the price book bounds the output, for no member could tell the upstream of it. */
export function speechBounds(body: SpeechBody): Bounds {
  const characters = charactersIn(body);
  if (hasNoTokens(body.model)) return { inputTokens: 0, outputTokens: 0, other: { characters } };
  return {
    inputTokens: INPUT_TOKENS_PER_REQUEST + Buffer.byteLength(body.input) + Buffer.byteLength(body.instructions ?? ''),
    outputTokens: OUTPUT_TOKENS_PER_REQUEST + characters * OUTPUT_TOKENS_PER_CHARACTER,
    other: { characters },
  };
}

export function speechPromptToCount(body: SpeechBody): PromptToCount {
  const other = { characters: charactersIn(body) };
  if (!isSoldByToken(body.model)) return { texts: [], overhead: 0, other };
  return { texts: [body.input, body.instructions ?? ''], overhead: 0, other };
}

/** Tokens of the sound, where the provider does not report them; 0 for what is sold by the character. */
export function typicalSound(body: SpeechBody): number {
  return isSoldByToken(body.model) ? Math.ceil(charactersIn(body) * TYPICAL_OUTPUT_PER_CHARACTER) : 0;
}
