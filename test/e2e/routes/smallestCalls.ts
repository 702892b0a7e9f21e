/** The least that a route which reaches an upstream takes, by its path in the table. */
export interface SmallestCall {
  /** Where the path stands for more than itself. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object | FormData;
}

const MODEL = 'tallystick-sim';
const MESSAGES = [{ role: 'user', content: 'hi' }];
const CONTENTS = [{ role: 'user', parts: [{ text: 'hi' }] }];

/** One sample of sound. */
function recording(): File {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(38, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8_000, 24);
  header.writeUInt32LE(16_000, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(2, 40);
  return new File([Buffer.concat([header, Buffer.alloc(2)])], 'a.wav', { type: 'audio/wav' });
}

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

function form(fields: Readonly<Record<string, string | File>>): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) made.append(name, value);
  return made;
}

export const SMALLEST: Readonly<Record<string, SmallestCall>> = {
  '/v1/chat/completions': { body: { model: MODEL, messages: MESSAGES } },
  '/v1/chat/stream': { body: { model: MODEL, messages: MESSAGES } },
  '/v1/completions': { body: { model: MODEL, prompt: 'hi' } },
  '/v1/responses': { body: { model: MODEL, input: 'hi' } },
  '/v1/messages': { body: { model: MODEL, max_tokens: 50, messages: MESSAGES } },
  '/api/v1/chat/completions': { body: { model: MODEL, messages: MESSAGES } },
  '/api/v1/chat/stream': { body: { model: MODEL, messages: MESSAGES } },
  '/api/ai-service/chat': { body: { model: MODEL, messages: MESSAGES } },
  '/api/ai-service/generate': { body: { model: MODEL, prompt: 'hi' } },
  '/api/v1/chat': { headers: { agent: 'dify' }, body: { query: 'hi', user: 'user-1' } },
  '/v1/embeddings': { body: { model: 'text-embedding-3-small', input: 'hi' } },
  '/v1/images/generations': { body: { model: 'gpt-image-1', prompt: 'a dot' } },
  '/v1/images/edits': {
    body: form({
      model: 'gpt-image-1',
      prompt: 'a dot',
      image: new File([Buffer.from(PIXEL, 'base64')], 'a.png', { type: 'image/png' }),
    }),
  },
  '/v1/audio/speech': { body: { model: 'tts-1', input: 'hi', voice: 'alloy' } },
  '/v1/audio/transcriptions': { body: form({ model: 'whisper-1', file: recording() }) },
  '/v1/audio/translations': { body: form({ model: 'whisper-1', file: recording() }) },
  '/v1/moderations': { body: { input: 'hi' } },
  '/v1/rerank': { body: { model: 'rerank-v3.5', query: 'hi', documents: ['a', 'b'] } },
  '/v1beta/models/*': { target: `/v1beta/models/${MODEL}:generateContent`, body: { contents: CONTENTS } },
  '/v1/models/*': { target: `/v1/models/${MODEL}:generateContent`, body: { contents: CONTENTS } },
  '/v1/messages/count_tokens': { body: { model: MODEL, messages: MESSAGES } },
  '/v1/responses/input_tokens': { body: { model: MODEL, input: 'hi' } },
};
