import { describe, expect, it } from 'vitest';
import type { ClientFace, RelayCall } from '../../../../services/relay/call.ts';
import { claudeMessagesCall } from '../../../../services/relay/dialects/claude/call.ts';
import { CLAUDE_FACE } from '../../../../services/relay/dialects/claude/face.ts';
import { geminiCall } from '../../../../services/relay/dialects/gemini/call.ts';
import { GEMINI_WHOLE_FACE } from '../../../../services/relay/dialects/gemini/face.ts';
import { chatCall } from '../../../../services/relay/dialects/openai/chatCall.ts';
import { OPENAI_FACE } from '../../../../services/relay/dialects/openai/face.ts';
import { speechCall } from '../../../../services/relay/operations/audio/speechCall.ts';
import { transcriptionCall } from '../../../../services/relay/operations/audio/transcriptionCall.ts';
import { imageGenerationsCall } from '../../../../services/relay/operations/images/call.ts';
import type { Protocol } from '../../../../services/relay/ports.ts';
import { pdfSize } from '../../../../services/relay/usage/pdfSize.ts';
import { pdfOf } from '../../../support/pdf.ts';
import { FORM_TYPE, formOf } from '../operations/fixtures.ts';
import { goldenCall, type Outcome } from './goldenCall.ts';

const raw = (body: object): Buffer => Buffer.from(JSON.stringify(body));
const unspoken = (): never => {
  throw new Error('nothing is crossed here');
};

/** A pico for a token of input, ten for one of output; a chat may have 4 096 of these. */
const PRICED = { price: { meters: { uncachedInput: 1, outputText: 10 } }, maxOutputTokens: 4_096 };

const chatOf = (model: string, part: object): RelayCall =>
  chatCall(raw({ model, max_tokens: 10, messages: [{ role: 'user', content: [part] }] }), 64, unspoken);

/** What the call becomes when its provider answers with this body. */
const settled = (
  call: RelayCall,
  answer: object,
  {
    protocol = 'openai',
    upstreamModel = call.model,
    face = OPENAI_FACE,
  }: {
    readonly protocol?: Protocol;
    readonly upstreamModel?: string;
    readonly face?: ClientFace;
  } = {},
): Promise<Outcome> => {
  const answered = { contentType: 'application/json', pieces: [JSON.stringify(answer)] };
  return goldenCall({ call, face, protocol, upstreamModel, priced: PRICED }, answered);
};

const openaiAnswer = (prompt: number, details: object = {}) => ({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: prompt, completion_tokens: 2, total_tokens: prompt + 2, prompt_tokens_details: details },
});

describe('The bill of a call with media is what its provider reports', () => {
  it('for an image of high detail at gpt-4o-mini, whatever the client calls the model', async () => {
    const part = { type: 'image_url', image_url: { url: 'https://a.example/a.png', detail: 'high' } };
    const answer = openaiAnswer(25_515);
    const outcome = await settled(chatOf('fast', part), answer, { upstreamModel: 'gpt-4o-mini-2024-07-18' });
    expect(outcome).toMatchObject({ usage: { uncachedInput: 25_515, outputText: 2 }, clamped: false, picos: 25_535n });
    expect(outcome.heldTokens).toBe(64 + 8 + 48_200 + 10);
    expect((await settled(chatOf('fast', part), openaiAnswer(1_445), { upstreamModel: 'gpt-4o' })).heldTokens).toBe(
      64 + 8 + 6_000 + 10,
    );
  });

  it('for a PDF of 60 pages at Claude', async () => {
    const pdf = pdfOf({ pages: 60, lines: 45, packed: true, pictureBytes: 100_000 });
    const source = { type: 'base64', media_type: 'application/pdf', data: pdf.toString('base64') };
    const messages = [{ role: 'user', content: [{ type: 'document', source }] }];
    const call = claudeMessagesCall(raw({ model: 'm', max_tokens: 10, messages }), 64, {}, unspoken);
    const outcome = await settled(
      call,
      {
        ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [{ type: 'text', text: 'ok' }] },
        ...{ stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 180_000, output_tokens: 2 } },
      },
      { protocol: 'claude', face: CLAUDE_FACE },
    );
    expect(outcome).toMatchObject({
      usage: { uncachedInput: 180_000, outputText: 2 },
      clamped: false,
      picos: 180_020n,
    });
    expect(outcome.heldTokens).toBe(64 + 2 * 8 + 60 * 6_000 + (pdfSize(pdf)?.textBytes ?? NaN) + 10);
  });

  it('for an hour of YouTube at Gemini', async () => {
    const contents = [{ role: 'user', parts: [{ fileData: { fileUri: 'https://www.youtube.com/watch?v=1' } }] }];
    const body = raw({ contents, generationConfig: { maxOutputTokens: 10 } });
    const call = geminiCall(body, 64, { model: 'm', method: 'generateContent', sse: false }, unspoken);
    const outcome = await settled(
      call,
      {
        candidates: [{ content: { role: 'model', parts: [{ text: 'ok' }] }, finishReason: 'STOP', index: 0 }],
        usageMetadata: { promptTokenCount: 950_000, candidatesTokenCount: 2, totalTokenCount: 950_002 },
      },
      { protocol: 'gemini', face: GEMINI_WHOLE_FACE },
    );
    expect(outcome).toMatchObject({
      usage: { uncachedInput: 950_000, outputText: 2 },
      clamped: false,
      picos: 950_020n,
    });
    expect(outcome.heldTokens).toBe(64 + 3 * 8 + 1_048_576 + 10);
  });

  it('for half an hour of MP3 at OpenAI', async () => {
    // 24 kbit/s: the smallest that speech is usually sent in.
    const data = Buffer.alloc(30 * 60 * 3_000, 0xa5).toString('base64');
    const call = chatOf('m', { type: 'input_audio', input_audio: { data, format: 'mp3' } });
    const outcome = await settled(call, openaiAnswer(18_010, { audio_tokens: 18_000 }));
    expect(outcome).toMatchObject({
      usage: { uncachedInput: 10, audioInput: 18_000, outputText: 2 },
      clamped: false,
      picos: 18_030n,
    });
    expect(outcome.heldTokens).toBe(64 + 8 + ((30 * 60 * 3_000) / 750) * 32 + 10);
  });

  it('for an image of the dearest quality, which no limit of the price book reaches', async () => {
    const call = imageGenerationsCall(
      raw({ model: 'gpt-image-1', prompt: 'a cat', quality: 'high', size: '1536x1024' }),
      64,
    );
    const usage = { input_tokens: 10, output_tokens: 6_240, total_tokens: 6_250 };
    const outcome = await settled(call, { created: 1, data: [{ b64_json: 'AAAA' }], usage });
    expect(outcome).toMatchObject({
      usage: { uncachedInput: 10, imageOutput: 6_240, images: 1 },
      clamped: false,
      picos: 62_410n,
    });
    expect(outcome.heldTokens).toBe(64 + 5 + 8_192);
  });

  it('for a transcript that is longer than a chat may answer', async () => {
    const bytes = Buffer.alloc(750 * 600, 0xa5);
    const form = formOf(['model', 'gpt-4o-transcribe'], ['file', { fileName: 'a.mp3', bytes }]);
    const usage = { type: 'tokens', input_tokens: 6_000, output_tokens: 5_000, total_tokens: 11_000 };
    const outcome = await settled(transcriptionCall(form, FORM_TYPE, 'transcriptions'), { text: 'ok', usage });
    expect(outcome).toMatchObject({
      usage: { uncachedInput: 6_000, outputText: 5_000 },
      clamped: false,
      picos: 56_000n,
    });
    expect(outcome.heldTokens).toBe(256 + 600 * 50 + 256 + 600 * 25);
  });

  it('for speech that is longer than a chat may answer', async () => {
    const call = speechCall(raw({ model: 'gpt-4o-mini-tts', input: 'x'.repeat(4_000), stream_format: 'sse' }), 64);
    const usage = { input_tokens: 1_000, output_tokens: 5_000, total_tokens: 6_000 };
    const outcome = await goldenCall(
      { call, face: OPENAI_FACE, protocol: 'openai', priced: PRICED },
      {
        contentType: 'text/event-stream',
        pieces: [`data: ${JSON.stringify({ type: 'speech.audio.done', usage })}\n\n`],
      },
    );
    expect(outcome).toMatchObject({
      usage: { uncachedInput: 1_000, audioOutput: 5_000 },
      clamped: false,
      picos: 51_000n,
    });
    expect(outcome.heldTokens).toBe(64 + 4_000 + 256 + 4_000 * 32);
  });
});
