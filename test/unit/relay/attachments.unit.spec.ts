import { describe, expect, it } from 'vitest';
import { Admission, withUnseen } from '../../../services/relay/admission.ts';
import type { RelayCall } from '../../../services/relay/call.ts';
import { claudeMessagesCall } from '../../../services/relay/dialects/claude/call.ts';
import { geminiCall } from '../../../services/relay/dialects/gemini/call.ts';
import { ollamaChatCall } from '../../../services/relay/dialects/ollama/call.ts';
import { chatCall } from '../../../services/relay/dialects/openai/chatCall.ts';
import { responsesCall } from '../../../services/relay/dialects/responses/call.ts';
import { ratedTokens } from '../../../services/relay/usage/attachments.ts';
import { pdfSize } from '../../../services/relay/usage/pdfSize.ts';
import { silentLog } from '../../support/log.ts';
import { pdfOf } from '../../support/pdf.ts';
import { ManualTimers } from './manualTimers.ts';
import { channelOf, REQUEST_ID, wavOf } from './operations/fixtures.ts';

const raw = (body: object): Buffer => Buffer.from(JSON.stringify(body));
const unspoken = (): never => {
  throw new Error('nothing is sent here');
};
const base64 = (bytes: number): string => Buffer.alloc(bytes, 0xa5).toString('base64');
const uri = (mime: string, data: string): string => `data:${mime};base64,${data}`;

const openai = (...parts: readonly object[]): RelayCall =>
  chatCall(raw({ model: 'm', messages: [{ role: 'user', content: parts }] }), 64, unspoken);
const claude = (...blocks: readonly object[]): RelayCall =>
  claudeMessagesCall(
    raw({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: blocks }] }),
    64,
    {},
    unspoken,
  );
const gemini = (...parts: readonly object[]): RelayCall =>
  geminiCall(raw({ contents: [{ parts }] }), 64, { model: 'm', method: 'generateContent', sse: false }, unspoken);
const responses = (...content: readonly object[]): Promise<RelayCall> =>
  Promise.resolve(
    responsesCall(raw({ model: 'm', input: [{ role: 'user', content }] }), 64, unspoken, { stored: null }),
  );

/** Tokens that an attachment adds, beside the template of what holds it. */
const openaiAdds = (part: object): number => openai(part).bounds(1).inputTokens - openai().bounds(1).inputTokens;
/** Each block or part is an object, of 8 tokens. */
const claudeAdds = (block: object): number => claude(block).bounds(1).inputTokens - claude().bounds(1).inputTokens - 8;
const geminiAdds = (part: object): number => gemini(part).bounds(1).inputTokens - gemini({}).bounds(1).inputTokens;

const IMAGE = uri('image/png', base64(900_000));
const PDF = pdfOf({ pages: 60, lines: 40 });
const PDF_TOKENS = 60 * 6_000 + (pdfSize(PDF)?.textBytes ?? 0);
const MP3_BYTES = 4_500_000;

describe('An estimate', () => {
  it('counts how many are attached, each as 800 tokens, and nothing for what is null', () => {
    const file = {
      type: 'file',
      file: { filename: 'a.pdf', file_data: uri('application/pdf', PDF.toString('base64')) },
    };
    const image = { type: 'image_url', image_url: { url: IMAGE } };
    const overhead = (...parts: readonly object[]): number => openai(...parts).promptToCount().overhead;
    expect(overhead(file, image, { type: 'image_url', image_url: null }) - overhead()).toBe(1_600);
    const document = {
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: PDF.toString('base64') },
    };
    // A block is an object, of 3 tokens.
    expect(claude(document).promptToCount().overhead - claude().promptToCount().overhead).toBe(803);
  });
});

describe('The bound of an attachment', () => {
  it('is 6 000 tokens for an image, inline or not, however large', async () => {
    expect(openaiAdds({ type: 'image_url', image_url: { url: IMAGE } })).toBe(6_000);
    expect(openaiAdds({ type: 'image_url', image_url: 'https://a.example/a' })).toBe(6_000);
    const source = { type: 'base64', media_type: 'image/png', data: base64(900_000) };
    expect(claudeAdds({ type: 'image', source })).toBe(6_000);
    expect(claudeAdds({ type: 'image', source: { type: 'file', file_id: 'file_1' } })).toBe(6_000);
    expect(geminiAdds({ inlineData: { mimeType: 'image/png', data: base64(900_000) } })).toBe(6_000);
    expect(geminiAdds({ fileData: { mimeType: 'image/png', fileUri: 'https://a.example/a' } })).toBe(6_000);
    const asked = (...parts: readonly object[]) => responses({ type: 'input_text', text: 'x' }, ...parts);
    const added = (await asked({ type: 'input_image', image_url: IMAGE })).bounds(1).inputTokens;
    expect(added - (await asked()).bounds(1).inputTokens).toBe(6_000 + 8);
  });

  it('is the seconds that the bytes of a recording can have, at 32 tokens', () => {
    const mp3 = base64(MP3_BYTES);
    const tokens = (MP3_BYTES / 750) * 32;
    expect(tokens).toBe(192_000);
    expect(openaiAdds({ type: 'input_audio', input_audio: { data: mp3, format: 'mp3' } })).toBe(tokens);
    expect(geminiAdds({ inlineData: { mimeType: 'audio/mpeg', data: mp3 } })).toBe(tokens);
    const wave = wavOf(10 * 60 * 16_000, { rate: 16_000 });
    expect(geminiAdds({ inlineData: { mimeType: 'audio/wav', data: wave.toString('base64') } })).toBeLessThan(20_000);
    expect(openaiAdds({ type: 'input_audio', input_audio: { data: base64(75), format: 'mp3' } })).toBe(6_000);
  });

  it('is the pages of a PDF as images, and the bytes of its text', async () => {
    const data = PDF.toString('base64');
    expect(claudeAdds({ type: 'document', source: { type: 'base64', media_type: 'application/pdf', data } })).toBe(
      PDF_TOKENS,
    );
    const url = uri('application/pdf', data);
    expect(openaiAdds({ type: 'file', file: { filename: 'a.pdf', file_data: url } })).toBe(PDF_TOKENS);
    expect(openaiAdds({ type: 'file', file: { filename: 'a.pdf', file_data: data } })).toBe(PDF_TOKENS);
    expect(geminiAdds({ inlineData: { mimeType: 'application/pdf', data } })).toBe(PDF_TOKENS);
    const asked = (...parts: readonly object[]) => responses({ type: 'input_text', text: 'x' }, ...parts);
    const file = (await asked({ type: 'input_file', filename: '', file_data: url })).bounds(1).inputTokens;
    expect(file - (await asked()).bounds(1).inputTokens).toBe(PDF_TOKENS + 8);
  });

  it('is a token for each byte of a text, and of a document that cannot be read', () => {
    const text = { mimeType: 'text/csv', data: base64(50_000) };
    expect(geminiAdds({ inlineData: text })).toBe(50_000);
    expect(geminiAdds({ inlineData: { ...text, data: base64(5) } })).toBe(6_000);
    const packed = (bytes: number) => ({ filename: 'a.docx', file_data: uri('application/zip', base64(bytes)) });
    expect(openaiAdds({ type: 'file', file: packed(90_000) })).toBe(90_000);
    expect(openaiAdds({ type: 'file', file: packed(90) })).toBe(6_000);
    expect(openaiAdds({ type: 'file', file: packed(1_200_000) })).toBe(1_000_000);
  });

  it('is the seconds of a film by its bytes, at a frame a second or more', () => {
    const inlineData = { mimeType: 'video/mp4', data: base64(600_000) };
    expect(geminiAdds({ inlineData })).toBe(100 * (280 + 32));
    const fast = gemini({ inlineData, videoMetadata: { fps: 5 } }).bounds(1).inputTokens;
    expect(fast - gemini({ videoMetadata: { fps: 5 } }).bounds(1).inputTokens).toBe(100 * (5 * 280 + 32));
    expect(geminiAdds({ inlineData: { ...inlineData, data: base64(6_000_000) } })).toBe(312_000);
    // An image by its name only.
    expect(openaiAdds({ type: 'image_url', image_url: { url: uri('video/mp4', base64(600_000)) } })).toBe(31_200);
  });

  it('is what a prompt can take, of what only the provider sees', () => {
    expect(claudeAdds({ type: 'document', source: { type: 'url', url: 'https://a.example/a' } })).toBe(200_000);
    expect(claudeAdds({ type: 'document', source: { type: 'file', file_id: 'file_1' } })).toBe(200_000);
    expect(openaiAdds({ type: 'file', file: { file_id: 'file-1' } })).toBe(200_000);
    const file = (more: object) => geminiAdds({ fileData: { fileUri: 'https://a.example/a', ...more } });
    expect(file({ mimeType: 'application/pdf' })).toBe(200_000);
    expect(file({ mimeType: 'video/mp4' })).toBe(1_048_576);
    expect(file({ mimeType: 'audio/mpeg' })).toBe(1_048_576);
    expect(file({})).toBe(1_048_576);
    expect(file({ fileUri: 'https://www.youtube.com/watch?v=1' })).toBe(1_048_576);
    expect(file({ fileUri: 'https://youtu.be/1', mimeType: 'image/png' })).toBe(1_048_576);
    expect(openaiAdds({ type: 'video_url', video_url: { url: 'https://a.example/a' } })).toBe(1_048_576);
  });

  it('goes by the names where the type says nothing', () => {
    const stream = (bytes: number) => uri('application/octet-stream', base64(bytes));
    expect(openaiAdds({ type: 'image_url', image_url: { url: stream(900_000) } })).toBe(6_000);
    expect(openaiAdds({ type: 'audio_url', audio_url: { url: stream(750_000) } })).toBe(32_000);
    expect(openaiAdds({ type: 'file', file: { file_data: stream(9_000) } })).toBe(9_000);
    const fileData = { fileUri: 'https://a.example/a', mimeType: 'application/octet-stream' };
    expect(geminiAdds({ fileData })).toBe(1_048_576);
  });

  it('is that of the dearest, where it is stated in several ways', () => {
    const tiny = uri('image/png', base64(30));
    expect(openaiAdds({ type: 'file', file: { file_data: tiny, file_id: 'file-1' } })).toBe(200_000);
    expect(openaiAdds({ type: 'file', file: { file_data: null, file_id: 'file-1' } })).toBe(200_000);
    const input_audio = { data: base64(750_000), format: 'mp3', url: tiny };
    expect(openaiAdds({ type: 'input_audio', input_audio })).toBe(32_000);
    const image_url = { url: 'https://a.example/a', data: base64(3), mime_type: 'text/plain' };
    expect(openaiAdds({ type: 'image_url', image_url })).toBe(200_000);
  });

  it('is nothing where a member is there without a value', () => {
    expect(geminiAdds({ text: '', fileData: null, inlineData: null })).toBe(0);
    expect(openaiAdds({ type: 'text', text: '', image_url: null })).toBe(0);
  });
});

describe('The hold of a call with attachments', () => {
  const two = openai(
    { type: 'text', text: 'see' },
    { type: 'image_url', image_url: { url: IMAGE } },
    { type: 'image_url', image_url: { url: 'https://a.example/a' } },
  );
  const at = (call: RelayCall, ...models: readonly string[]) =>
    withUnseen(
      call.bounds(100),
      models.map((upstreamModel) => channelOf({ upstreamModel })),
    );

  it('takes an image for as many tokens as the dearest model that may see it', () => {
    const plain = 64 + 8 + 3 + 2 * 6_000;
    const mini = 64 + 8 + 3 + 2 * 48_200;
    expect(at(two, 'gpt-4o').inputTokens).toBe(plain);
    expect(at(two, 'gpt-4.1-mini', 'gpt-5-mini').inputTokens).toBe(plain);
    expect(at(two, 'gpt-4o-mini').inputTokens).toBe(mini);
    expect(at(two, 'gpt-4o', 'openai/gpt-4o-mini-2024-07-18').inputTokens).toBe(mini);
  });

  it('does so for every dialect whose calls may go there', async () => {
    const images = [base64(30)];
    const source = { type: 'base64', media_type: 'image/png', data: base64(30) };
    const calls = [
      ollamaChatCall(raw({ model: 'm', messages: [{ role: 'user', content: 'x', images }] }), 64, unspoken, () => 0),
      claude({ type: 'image', source }),
      gemini({ inlineData: { mimeType: 'image/png', data: base64(30) } }),
      await responses({ type: 'input_image', image_url: IMAGE }),
    ];
    for (const call of calls) {
      expect(at(call, 'gpt-4o-mini').inputTokens - at(call, 'gpt-4o').inputTokens).toBe(42_200);
    }
  });

  it('takes the pages of a PDF as images there', () => {
    const pdf = openai({ type: 'file', file: { file_data: uri('application/pdf', PDF.toString('base64')) } });
    expect(at(pdf, 'gpt-4o-mini').inputTokens - at(pdf, 'gpt-4o').inputTokens).toBe(60 * 42_200);
  });

  it('is more than what limits per minute count: 6 000 for each', () => {
    const rated = 64 + 8 + 3 + 2 * 6_000 + 100;
    expect(ratedTokens(at(two, 'gpt-4o'))).toBe(rated);
    expect(ratedTokens(at(two, 'gpt-4o-mini'))).toBe(rated);
    const video = gemini({ fileData: { fileUri: 'https://youtu.be/1' } }).bounds(100);
    expect(video.inputTokens).toBeGreaterThan(1_048_576);
    expect(ratedTokens(video)).toBe(video.inputTokens + 100 - 1_048_576 + 6_000);
    const plain = openai({ type: 'text', text: 'see' }).bounds(100);
    expect(ratedTokens(plain)).toBe(plain.inputTokens + 100);
  });

  it('lets a key with few tokens per minute send a PDF, whose quota is held in full', async () => {
    const asked: Record<string, number> = {};
    const admission = new Admission({
      keys: { find: () => null },
      prices: {
        find: (model) => ({
          ...{ model, currency: 'USD', priceVersion: 'a1'.repeat(32), maxOutputTokens: 100 },
          price: { meters: { uncachedInput: 1, outputText: 10 } },
        }),
        models: () => [],
      },
      router: {
        candidates: () => [channelOf({ upstreamModel: 'gpt-4o-mini' })],
        models: () => null,
        succeeded: () => undefined,
        failed: () => undefined,
      },
      limiter: {
        take(_key, _limits, tokens) {
          asked['perMinute'] = tokens;
          return Promise.resolve({ allowed: true, retryAfterMs: 0, requests: null, tokens: null });
        },
      },
      holds: {
        take({ tokens }) {
          asked['held'] = tokens;
          return Promise.resolve({ granted: true });
        },
        freeSlot: () => undefined,
        forgetIdempotency: () => undefined,
      },
      settlements: { append: () => Promise.resolve(), nearFull: false },
      runtime: {
        clock: { now: () => Date.parse('2026-11-20T09:30:00.000Z'), monotonic: () => 0 },
        ids: { uuid: () => REQUEST_ID },
        random: { bytes: (length) => Buffer.alloc(length), fraction: () => 0 },
        timers: new ManualTimers(),
        log: silentLog,
      },
      holdMs: 60_000,
    });
    const call = openai({ type: 'file', file: { file_data: uri('application/pdf', PDF.toString('base64')) } });
    await admission.admit(
      {
        ...{ keyId: 'key_1', accountId: 'acct_live1', mode: 'live', status: 'active', models: null },
        ...{ requestsPerMinute: null, tokensPerMinute: 10_000, concurrency: null },
      },
      call,
      REQUEST_ID,
      null,
    );
    expect(asked).toEqual({
      perMinute: 64 + 8 + 6_000 + 100,
      held: 64 + 8 + PDF_TOKENS + 60 * 42_200 + 100,
    });
  });
});
