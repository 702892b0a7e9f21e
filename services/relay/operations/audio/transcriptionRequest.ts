import { z } from 'zod';
import type { Bounds, PromptToCount } from '../../call.ts';
import { filesIn, notValid, readFields, type FieldKinds } from '../form/fields.ts';

import { readForm, type Form } from '../form/form.ts';
import { hasNoTokens, isSoldByToken } from '../meteredBy.ts';
import { durationOf, type Duration } from './duration.ts';
import { TEXT_FORMATS, type TextFormat } from './subtitles.ts';

/** More than the 10 of OpenAI and the 32 of Gemini per second of sound. */
const INPUT_TOKENS_PER_SECOND = 50;
/** The fastest speakers have some eight words a second. */
const OUTPUT_TOKENS_PER_SECOND = 25;
const TOKENS_PER_REQUEST = 256;
const TYPICAL_INPUT_PER_SECOND = 10;

const JSON_FORMATS = ['json', 'verbose_json', 'diarized_json'] as const;
export type TranscriptFormat = (typeof JSON_FORMATS)[number] | TextFormat;

const fields = z.object({
  model: z.string().min(1).max(200),
  prompt: z.string().max(32_768).optional(),
  response_format: z.enum([...JSON_FORMATS, ...TEXT_FORMATS]).default('json'),
  stream: z.boolean().optional(),
});

const FIELDS: FieldKinds = { model: 'text', prompt: 'text', response_format: 'text', stream: 'flag' };

export interface TranscriptionRequest {
  readonly form: Form;
  readonly model: string;
  readonly prompt: string;
  readonly format: TranscriptFormat;
  readonly streamed: boolean;
  readonly duration: Duration;
}

/**
 * Reads the form of `POST /v1/audio/transcriptions` or `/translations`. `stream` has no effect on translations and on
 * formats of text, which no provider streams. Throws ApiError `invalid_request`.
 */
export function readTranscription(
  raw: Buffer,
  contentType: string | undefined,
  streams: boolean,
): TranscriptionRequest {
  const form = readForm(raw, contentType);
  const { model, prompt = '', response_format: format, stream } = readFields(form, FIELDS, fields);
  const [file] = filesIn(form, 'file', 1, 1);
  if (!file) throw notValid('file', 'is missing');
  const streamed = streams && stream === true && !isTextFormat(format);
  return { form, model, prompt, format, streamed, duration: durationOf(file.bytes) };
}

export function isTextFormat(format: TranscriptFormat): format is TextFormat {
  return (TEXT_FORMATS as readonly string[]).includes(format);
}

/** No limit of the price book bounds the output, for no member could tell the upstream of it. */
export function transcriptionBounds({ model, prompt, duration }: TranscriptionRequest): Bounds {
  const seconds = duration.atMost;
  if (hasNoTokens(model)) return { inputTokens: 0, outputTokens: 0, other: { seconds } };
  return {
    inputTokens: TOKENS_PER_REQUEST + Buffer.byteLength(prompt) + seconds * INPUT_TOKENS_PER_SECOND,
    outputTokens: TOKENS_PER_REQUEST + seconds * OUTPUT_TOKENS_PER_SECOND,
    other: { seconds },
  };
}

export function transcriptionToCount({ model, prompt, duration }: TranscriptionRequest): PromptToCount {
  const { seconds } = duration;
  if (!isSoldByToken(model)) return { texts: [], overhead: 0, other: { seconds } };
  return { texts: [prompt], overhead: seconds * TYPICAL_INPUT_PER_SECOND, other: { seconds } };
}
