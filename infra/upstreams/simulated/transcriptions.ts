import { z } from 'zod';
import { durationOf } from '../../../services/relay/operations/audio/duration.ts';
import { countTexts } from './countTexts.ts';
import type { Behaviour } from './directives.ts';
import { formOperation, type Operation } from './operation.ts';
import { eventAnswer, jsonAnswer, TEXT_TYPE, type Prepared } from './prepared.ts';
import { usageMember } from './reportedUsage.ts';
import { typedSse } from './sse.ts';
import { renderDiarized, renderJson, renderSrt, renderVerbose, renderVtt, type Transcript } from './transcript.ts';

const AUDIO_TOKENS_PER_SECOND = 10;

const file = z.instanceof(Buffer).refine((bytes) => bytes.length > 0, 'is empty');
const request = z.looseObject({
  model: z.string().min(1),
  file: z.array(file).length(1),
  prompt: z.string().optional(),
  response_format: z.enum(['json', 'text', 'srt', 'vtt', 'verbose_json', 'diarized_json']).default('json'),
  timestamp_granularities: z.array(z.enum(['word', 'segment'])).optional(),
  stream: z.boolean().optional(),
});
type TranscriptionRequest = z.infer<typeof request>;

/** `POST /v1/audio/transcriptions`. */
export const transcriptions: Operation = heard('transcribe');

/** `POST /v1/audio/translations`, which knows no streams. */
export const translations: Operation = heard('translate');

function heard(task: Transcript['task']): Operation {
  return formOperation({
    schema: request,
    said: ({ prompt }) => prompt ?? '',
    answer(asked, behaviour) {
      const transcript = transcribe(task, asked, behaviour);
      const streams = task === 'transcribe' && asked.stream === true && asked.response_format === 'json';
      return streams && !isWhisper(asked.model)
        ? eventAnswer(events(transcript), behaviour)
        : written(transcript, asked, behaviour);
    },
  });
}

/** Says how long the recording is: a WAV by its header, others by their size. */
function transcribe(task: Transcript['task'], asked: TranscriptionRequest, behaviour: Behaviour): Transcript {
  const [recording = Buffer.alloc(0)] = asked.file;
  const { seconds } = durationOf(recording);
  const noun = task === 'translate' ? 'translation' : 'transcript';
  const text = `This is a simulated ${noun} of ${String(seconds)} ${seconds === 1 ? 'second' : 'seconds'}.`;
  const usage = usageMember(usageOf(asked, seconds, text), behaviour.usage);
  return { task, language: 'english', text, seconds, usage };
}

/** Whisper is sold by the second, its successors by the token. */
function usageOf({ model, prompt }: TranscriptionRequest, seconds: number, text: string): object {
  if (isWhisper(model)) return { type: 'duration', seconds };
  const audio = seconds * AUDIO_TOKENS_PER_SECOND;
  const read = countTexts([prompt ?? '']);
  const output = countTexts([text]);
  return {
    type: 'tokens',
    input_tokens: read + audio,
    input_token_details: { text_tokens: read, audio_tokens: audio },
    output_tokens: output,
    total_tokens: read + audio + output,
  };
}

function isWhisper(model: string): boolean {
  return model.includes('whisper');
}

function written(transcript: Transcript, asked: TranscriptionRequest, behaviour: Behaviour): Prepared {
  const plain = (body: string): Prepared => ({ kind: 'answer', contentType: TEXT_TYPE, body, behaviour });
  switch (asked.response_format) {
    case 'json':
      return jsonAnswer(renderJson(transcript), behaviour);
    case 'verbose_json': {
      const withWords = asked.timestamp_granularities?.includes('word') === true;
      return jsonAnswer(renderVerbose(transcript, withWords), behaviour);
    }
    case 'diarized_json':
      return jsonAnswer(renderDiarized(transcript), behaviour);
    case 'text':
      return plain(`${transcript.text}\n`);
    case 'srt':
      return plain(renderSrt(transcript));
    case 'vtt':
      return plain(renderVtt(transcript));
  }
}

/** One word per piece. */
function events({ text, usage }: Transcript) {
  const words = text.split(/(?= )/);
  return {
    before: [],
    pieces: words.map((delta) => typedSse('transcript.text.delta', { delta })),
    after: [typedSse('transcript.text.done', { text, ...usage })],
  };
}
