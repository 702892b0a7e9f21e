import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { outputTokens, totalTokens, type UsageVector } from '../../../events/meters.ts';
import { plainPng } from '../../../infra/upstreams/simulated/png.ts';
import { silence } from '../../../infra/upstreams/simulated/wave.ts';
import type { RelayCall } from '../../../services/relay/call.ts';
import { speechCall } from '../../../services/relay/operations/audio/speechCall.ts';
import { transcriptionCall } from '../../../services/relay/operations/audio/transcriptionCall.ts';
import { embeddingsCall } from '../../../services/relay/operations/embeddings/openaiCall.ts';
import { imageEditsCall, imageGenerationsCall } from '../../../services/relay/operations/images/call.ts';
import { moderationsCall } from '../../../services/relay/operations/moderations.ts';
import { rerankCall } from '../../../services/relay/operations/rerank.ts';
import {
  bodyOf,
  channelOf,
  MAX_DEPTH,
  measured,
  readPieces,
  REQUEST_ID,
} from '../../unit/relay/operations/fixtures.ts';
import { formOf, simulatedClient } from './simulatedClient.ts';

type Reader<Rest extends readonly unknown[]> = (raw: Buffer, ...rest: Rest) => RelayCall;

const json = (read: Reader<[number]>, body: object) => () => Promise.resolve(read(bodyOf(body), MAX_DEPTH));

function form(read: Reader<[string]>, fields: Parameters<typeof formOf>[0]): () => Promise<RelayCall> {
  return async () => {
    const written = new Response(formOf(fields));
    return read(Buffer.from(await written.arrayBuffer()), written.headers.get('content-type') ?? '');
  };
}

const picture = new File([plainPng(8, 8, [1, 2, 3])], 'a.png', { type: 'image/png' });
const recording = new File([silence(2.5)], 'a.wav', { type: 'audio/wav' });
const transcribe: Reader<[string]> = (raw, type) => transcriptionCall(raw, type, 'transcriptions');
const translate: Reader<[string]> = (raw, type) => transcriptionCall(raw, type, 'translations');
const image = { prompt: 'A calm sea', size: '1024x1024', quality: 'low' };
const streamedImage = { ...image, model: 'gpt-image-1', stream: true, partial_images: 2 };
const said = { input: 'Two seconds of sound, spoken', voice: 'alloy' };

const calls: [name: string, call: () => Promise<RelayCall>, usage: UsageVector][] = [
  ['embeddings', json(embeddingsCall, { model: 'text-embedding-3-small', input: 'Hello' }), { uncachedInput: 1 }],
  ['moderations', json(moderationsCall, { input: 'Hello' }), { requests: 1 }],
  [
    'reranking',
    json(rerankCall, { model: 'rerank-v3.5', query: 'Hello', documents: ['Hello', 'Hello'] }),
    { uncachedInput: 4, requests: 1 },
  ],
  [
    'images by the token',
    json(imageGenerationsCall, { ...image, model: 'gpt-image-1', n: 2 }),
    { uncachedInput: 3, imageOutput: 544, images: 2 },
  ],
  ['images by the piece', json(imageGenerationsCall, { ...image, model: 'dall-e-2', n: 2 }), { images: 2 }],
  ['streamed images', json(imageGenerationsCall, streamedImage), { uncachedInput: 3, imageOutput: 472, images: 1 }],
  [
    'edits',
    form(imageEditsCall, { ...image, model: 'gpt-image-1', image: picture }),
    { uncachedInput: 3, imageInput: 323, imageOutput: 272, images: 1 },
  ],
  ['speech by the character', json(speechCall, { ...said, model: 'tts-1' }), { characters: 28 }],
  [
    'speech by the token',
    json(speechCall, { ...said, model: 'gpt-4o-mini-tts' }),
    { uncachedInput: countTokens(said.input), audioOutput: 40, characters: 28 },
  ],
  ['transcriptions by the second', form(transcribe, { model: 'whisper-1', file: recording }), { seconds: 3 }],
  ['subtitles', form(transcribe, { model: 'whisper-1', file: recording, response_format: 'srt' }), { seconds: 3 }],
  [
    'transcriptions by the token',
    form(transcribe, { model: 'gpt-4o-transcribe', file: recording }),
    { audioInput: 30, outputText: 10, seconds: 3 },
  ],
  [
    'streamed transcriptions',
    form(transcribe, { model: 'gpt-4o-transcribe', file: recording, stream: 'true' }),
    { audioInput: 30, outputText: 10, seconds: 3 },
  ],
  ['translations', form(translate, { model: 'whisper-1', file: recording }), { seconds: 3 }],
];

describe('what the relay asks of the simulated upstream', () => {
  it.each(calls)('is answered whole, metered, and within the hold: %s', async (_name, made, expected) => {
    const { simulated } = await simulatedClient();
    const call = await made();
    const passage = await call.passage(channelOf({ upstreamModel: call.model }), {
      requestId: REQUEST_ID,
      createdAt: 1_763_630_000,
      maxOutputTokens: 4_096,
      endUser: 'account-1',
    });
    const { method, path, headers, body } = passage.request;
    const response = await fetch(`${simulated.baseUrl}${path}`, {
      method,
      headers,
      body: body && new Uint8Array(body),
    });
    expect(response.status).toBe(200);
    const { reading } = readPieces(passage, Object.fromEntries(response.headers), [
      Buffer.from(await response.arrayBuffer()),
    ]);
    expect({ failure: reading.failure, done: reading.done }).toEqual({ failure: null, done: true });

    const usage = await measured(call, reading);
    expect(usage).toEqual(expected);
    const { inputTokens, outputTokens: output, other } = call.bounds(4_096);
    expect(totalTokens(usage) - outputTokens(usage)).toBeLessThanOrEqual(inputTokens);
    expect(outputTokens(usage)).toBeLessThanOrEqual(output);
    for (const [meter, quantity] of Object.entries(other)) {
      expect(usage[meter as keyof UsageVector] ?? 0).toBeLessThanOrEqual(quantity);
    }
  });
});
