import { z } from 'zod';
import { countTexts } from './countTexts.ts';
import type { Behaviour } from './directives.ts';
import { jsonOperation } from './operation.ts';
import { badRequest, eventAnswer, type Prepared } from './prepared.ts';
import { usageMember } from './reportedUsage.ts';
import { typedSse } from './sse.ts';
import { silence } from './wave.ts';

const CHARACTERS_PER_SECOND = 14;
/** Half a megabyte. */
const LONGEST_SECONDS = 30;
const TOKENS_PER_SECOND = 20;
const PIECE_BYTES = 16_000;
/** As long as the relay takes. */
const MAX_INPUT = 32_768;

const request = z.looseObject({
  model: z.string().min(1),
  input: z.string().min(1).max(MAX_INPUT),
  voice: z.union(
    [z.string().min(1), z.looseObject({ id: z.string().min(1) })],
    'must be a name or an object with an id',
  ),
  instructions: z.string().nullish(),
  response_format: z.enum(['mp3', 'opus', 'aac', 'flac', 'wav', 'pcm']).nullish(),
  speed: z.number().min(0.25).max(4).nullish(),
  stream_format: z.enum(['audio', 'sse']).nullish(),
});

/** `POST /v1/audio/speech`: silence, as WAV whatever format is asked for, which the content type says. */
export const speech = jsonOperation({
  schema: request,
  said: ({ input }) => input,
  answer({ model, input, instructions, speed, stream_format }, behaviour) {
    if (stream_format === 'sse' && model.startsWith('tts-1')) {
      return badRequest(`stream_format: sse is not supported by ${model}`);
    }
    const seconds = Math.min(LONGEST_SECONDS, Array.from(input).length / CHARACTERS_PER_SECOND / (speed ?? 1));
    const pieces = cut(silence(seconds));
    if (stream_format !== 'sse') return sound(pieces, behaviour);
    const spoken = Math.ceil(seconds * TOKENS_PER_SECOND);
    const read = countTexts([input, instructions ?? '']);
    const usage = { input_tokens: read, output_tokens: spoken, total_tokens: read + spoken };
    return events(pieces, usage, behaviour);
  },
});

/** Bytes have no place for an error, so where one is due they are cut. */
function sound(pieces: readonly Buffer[], behaviour: Behaviour): Prepared {
  const cutAfter = behaviour.cutAfter ?? behaviour.errorAfter;
  return {
    kind: 'stream',
    contentType: 'audio/wav',
    stream: { before: [], pieces, after: [] },
    behaviour: { ...behaviour, cutAfter },
  };
}

function events(pieces: readonly Buffer[], usage: object, behaviour: Behaviour): Prepared {
  const deltas = pieces.map((piece) => typedSse('speech.audio.delta', { audio: piece.toString('base64') }));
  const done = typedSse('speech.audio.done', { ...usageMember(usage, behaviour.usage) });
  return eventAnswer({ before: [], pieces: deltas, after: [done] }, behaviour);
}

/** Pieces of a second, the last one shorter. */
function cut(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, index) =>
    bytes.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES),
  );
}
