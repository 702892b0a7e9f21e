import Table from 'cli-table3';
import type { Passage, RelayCall } from '../../services/relay/call.ts';
import { claudeMessagesCall } from '../../services/relay/dialects/claude/call.ts';
import { geminiCall } from '../../services/relay/dialects/gemini/call.ts';
import { chatCall } from '../../services/relay/dialects/openai/chatCall.ts';
import { protocolsWith } from '../../services/relay/dialects/protocols.ts';
import type { Channel, Protocol } from '../../services/relay/ports.ts';
import { channelSettings } from '../../infra/config/channels.ts';

/** Text chunks of one stream; so many streams are read for one figure. */
const CHUNKS = 500;
const STREAMS = 200;
const WARM_UP_STREAMS = 100;
const DEPTH = 64;
const WORD = ' tallied 计';

const spoken = protocolsWith({ fetch: () => Promise.reject(new Error('nothing is fetched here')) });
const messages = [{ role: 'user', content: 'Count for me.' }];
const body = (value: object) => Buffer.from(JSON.stringify(value));

const CLIENTS: Readonly<Record<string, () => RelayCall>> = {
  OpenAI: () => chatCall(body({ model: 'm', messages, stream: true }), DEPTH, spoken),
  Claude: () => claudeMessagesCall(body({ model: 'm', max_tokens: 9_999, messages, stream: true }), DEPTH, {}, spoken),
  Gemini: () => {
    const raw = body({ contents: [{ role: 'user', parts: [{ text: 'Count for me.' }] }] });
    return geminiCall(raw, DEPTH, { model: 'm', method: 'streamGenerateContent', sse: true }, spoken);
  },
};

const PAIRS: readonly (readonly [client: string, upstream: 'openai' | 'claude' | 'gemini'])[] = [
  ['OpenAI', 'openai'],
  ['Claude', 'claude'],
  ['Gemini', 'gemini'],
  ['Claude', 'openai'],
  ['OpenAI', 'gemini'],
  ['OpenAI', 'claude'],
  ['Gemini', 'openai'],
];

/** CPU for each chunk of a stream, passed through and translated; sockets, holds and settlements are not in it. */
export async function translation(): Promise<void> {
  const table = new Table({
    head: ['client → upstream', 'one by one µs', 'in 16 KiB pieces µs', 'of OpenAI → OpenAI'],
  });
  let plain: number | null = null;
  for (const [client, upstream] of PAIRS) {
    const events = STREAM_OF[upstream]();
    const alone = await microsPerChunk(client, upstream, events);
    const together = await microsPerChunk(client, upstream, inPieces(events));
    plain ??= alone;
    table.push([`${client} → ${upstream}`, alone.toFixed(2), together.toFixed(2), `${(alone / plain).toFixed(1)} ×`]);
  }
  console.log(`\nStreams of ${String(CHUNKS)} text chunks, µs of CPU per chunk:\n${table.toString()}`);
}

async function microsPerChunk(client: string, upstream: Protocol, pieces: readonly Buffer[]): Promise<number> {
  for (let stream = 0; stream < WARM_UP_STREAMS; stream += 1) await readStream(client, upstream, pieces);
  const before = process.cpuUsage();
  for (let stream = 0; stream < STREAMS; stream += 1) await readStream(client, upstream, pieces);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (STREAMS * CHUNKS);
}

async function readStream(client: string, upstream: Protocol, pieces: readonly Buffer[]): Promise<void> {
  const call = CLIENTS[client];
  if (!call) throw new Error(`no client ${client}`);
  const passage: Passage = await call().passage(channelOf(upstream), {
    requestId: '0193b4a0-0000-7000-8000-000000000000',
    createdAt: 1_763_630_000,
    maxOutputTokens: 9_999,
    endUser: 'bench',
  });
  const reading = passage.read({ 'content-type': 'text/event-stream' });
  let forwarded = 0;
  for (const piece of pieces) forwarded += reading.feed(piece).length;
  forwarded += reading.end().length;
  const usage = { uncachedInput: 9, outputText: CHUNKS };
  forwarded += reading.ending({ usage, picos: 1n, currency: 'USD' }).length;
  if (forwarded < CHUNKS * WORD.length || reading.failure !== null) throw new Error(`${client} got no answer`);
}

function channelOf(protocol: Protocol): Channel {
  return {
    ...channelSettings({ name: 'bench', baseUrl: 'http://127.0.0.1:1', models: '*', protocol }),
    upstreamModel: 'm',
  };
}

const sse = (data: object, name?: string): Buffer =>
  Buffer.from(`${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`);
const times = (make: () => Buffer): Buffer[] => Array.from({ length: CHUNKS }, make);

const STREAM_OF = {
  openai() {
    const common = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_763_630_000, model: 'm' };
    const chunk = (delta: object, finish: string | null = null) =>
      sse({ ...common, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
    const usage = { prompt_tokens: 9, completion_tokens: CHUNKS, total_tokens: 9 + CHUNKS };
    return [
      chunk({ role: 'assistant', content: '' }),
      ...times(() => chunk({ content: WORD })),
      chunk({}, 'stop'),
      sse({ ...common, choices: [], usage }),
      Buffer.from('data: [DONE]\n\n'),
    ];
  },
  claude() {
    const event = (data: { readonly type: string } & Record<string, unknown>) => sse(data, data.type);
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null };
    return [
      event({ type: 'message_start', message: { ...message, usage: { input_tokens: 9, output_tokens: 1 } } }),
      event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
      ...times(() => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: WORD } })),
      event({ type: 'content_block_stop', index: 0 }),
      event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: CHUNKS } }),
      event({ type: 'message_stop' }),
    ];
  },
  gemini() {
    const fragment = (more: object) => sse({ modelVersion: 'm', responseId: 'r1', ...more });
    const content = { role: 'model', parts: [{ text: WORD }] };
    const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: CHUNKS, totalTokenCount: 9 + CHUNKS };
    return [
      ...times(() => fragment({ candidates: [{ index: 0, content }] })),
      fragment({ candidates: [{ index: 0, finishReason: 'STOP' }], usageMetadata }),
    ];
  },
} as const;

function inPieces(events: readonly Buffer[]): Buffer[] {
  const whole = Buffer.concat(events);
  const pieces: Buffer[] = [];
  for (let at = 0; at < whole.length; at += 16_384) pieces.push(whole.subarray(at, at + 16_384));
  return pieces;
}
