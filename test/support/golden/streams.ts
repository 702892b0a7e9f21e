import { PROTOCOLS, type Protocol } from '../../../services/relay/ports.ts';
import { MODEL } from './prompt.ts';

/** A stream as a provider sends it, event by event, with characters of one to four bytes and a joined emoji. */
export interface GoldenStream {
  readonly contentType: string;
  /** Each with what ends it. */
  readonly events: readonly string[];
  /** An upstream that closes after so many events has given a whole answer: its finish was said. */
  readonly wholeAfter: number;
  /** The events are server-sent, so lines may end in CRLF or CR, and comments may stand between them. */
  readonly sse: boolean;
}

export const TEXT_PIECES = ['你好 ', 'Überall 世界 ', '👋🏽 👩‍👩‍👧 ', 'done'] as const;
export const TEXT = TEXT_PIECES.join('');
export const THINKING = '想一想 …';

const SSE = 'text/event-stream; charset=utf-8';

function nameless(...values: readonly unknown[]): string[] {
  return values.map((value) => `data: ${asText(value)}\n\n`);
}

function named(...events: readonly (readonly [string, unknown])[]): string[] {
  return events.map(([name, data]) => `event: ${name}\ndata: ${asText(data)}\n\n`);
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const chunk = (delta: object, finish: string | null = null) => ({
  ...{ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_763_630_000, model: MODEL },
  choices: [{ index: 0, delta, finish_reason: finish }],
});

function openai(): GoldenStream {
  const usage = { prompt_tokens: 20, completion_tokens: 60, total_tokens: 80 };
  const events = nameless(
    chunk({ role: 'assistant', content: '' }),
    chunk({ reasoning_content: THINKING }),
    ...TEXT_PIECES.map((content) => chunk({ content })),
    chunk({}, 'stop'),
    { ...chunk({}), choices: [], usage },
    '[DONE]',
  );
  return { contentType: SSE, events, wholeAfter: 7, sse: true };
}

function claude(): GoldenStream {
  const event = (data: Readonly<Record<string, unknown>> & { readonly type: string }): readonly [string, unknown] => [
    data.type,
    data,
  ];
  const delta = (index: number, piece: object) => event({ type: 'content_block_delta', index, delta: piece });
  const message = { id: 'msg_01', type: 'message', role: 'assistant', model: MODEL, content: [] };
  const events = named(
    event({
      type: 'message_start',
      message: { ...message, stop_reason: null, stop_sequence: null, usage: { input_tokens: 20, output_tokens: 1 } },
    }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } }),
    event({ type: 'ping' }),
    delta(0, { type: 'thinking_delta', thinking: THINKING }),
    delta(0, { type: 'signature_delta', signature: 'c2ln' }),
    event({ type: 'content_block_stop', index: 0 }),
    event({ type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } }),
    ...TEXT_PIECES.map((text) => delta(1, { type: 'text_delta', text })),
    event({ type: 'content_block_stop', index: 1 }),
    event({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 60 },
    }),
    event({ type: 'message_stop' }),
  );
  return { contentType: SSE, events, wholeAfter: 13, sse: true };
}

function gemini(): GoldenStream {
  const fragment = (part: object, more: object = {}) => ({
    candidates: [{ content: { parts: [part], role: 'model' }, index: 0, ...more }],
    modelVersion: MODEL,
    responseId: 'resp-1',
  });
  const last = TEXT_PIECES.length - 1;
  const usageMetadata = { promptTokenCount: 20, candidatesTokenCount: 50, thoughtsTokenCount: 10, totalTokenCount: 80 };
  const events = nameless(
    fragment({ text: THINKING, thought: true }),
    ...TEXT_PIECES.slice(0, last).map((text) => fragment({ text })),
    { ...fragment({ text: TEXT_PIECES[last] }, { finishReason: 'STOP' }), usageMetadata },
  ).map((event) => event.replaceAll('\n', '\r\n'));
  return { contentType: 'text/event-stream', events, wholeAfter: 5, sse: true };
}

function ollama(): GoldenStream {
  const line = (message: object, more: object = {}) =>
    `${JSON.stringify({
      model: MODEL,
      created_at: '2026-11-20T09:30:00.000000001Z',
      message: { role: 'assistant', ...message },
      done: false,
      ...more,
    })}\n`;
  const done = { done: true, done_reason: 'stop', total_duration: 9, prompt_eval_count: 20, eval_count: 60 };
  const events = [
    line({ content: '', thinking: THINKING }),
    ...TEXT_PIECES.map((content) => line({ content })),
    line({ content: '' }, done),
  ];
  return { contentType: 'application/x-ndjson', events, wholeAfter: 6, sse: false };
}

function fastgpt(): GoldenStream {
  const answer = (delta: object, finish: string | null = null): readonly [string, unknown] => [
    'answer',
    { id: '', object: '', created: 0, model: '', choices: [{ delta, index: 0, finish_reason: finish }] },
  ];
  const events = named(
    ['flowNodeStatus', { status: 'running', name: 'AI' }],
    answer({ role: 'assistant', reasoning_content: THINKING }),
    ...TEXT_PIECES.map((content) => answer({ role: 'assistant', content })),
    answer({}, 'stop'),
    ['answer', '[DONE]'],
    ['flowResponses', [{ moduleType: 'chatNode', inputTokens: 20, outputTokens: 60 }]],
  );
  return { contentType: SSE, events, wholeAfter: 7, sse: true };
}

function dify(): GoldenStream {
  const ids = { task_id: 'task-1', message_id: 'message-1', conversation_id: 'conversation-1' };
  const events = [
    ...nameless({ event: 'agent_thought', id: 't1', position: 1, thought: THINKING, ...ids }),
    'event: ping\n\n',
    ...nameless(
      ...TEXT_PIECES.map((answer) => ({ event: 'message', answer, ...ids })),
      {
        event: 'message_end',
        ...ids,
        metadata: { usage: { prompt_tokens: 20, completion_tokens: 60, total_tokens: 80 } },
      },
      { event: 'tts_message_end', ...ids, audio: '' },
    ),
  ];
  return { contentType: SSE, events, wholeAfter: 7, sse: true };
}

/** Coze writes no space behind its colons. */
function coze(): GoldenStream {
  const ids = { conversation_id: 'conversation-1', bot_id: MODEL };
  const piece = { id: 'message-1', role: 'assistant', type: 'answer', chat_id: 'chat-1', content_type: 'text', ...ids };
  const usage = { token_count: 80, input_count: 20, output_count: 60 };
  const events = named(
    ['conversation.chat.created', { id: 'chat-1', status: 'created', ...ids }],
    ['conversation.chat.in_progress', { id: 'chat-1', ...ids, usage: { token_count: 0 } }],
    ['conversation.message.delta', { ...piece, content: '', reasoning_content: THINKING }],
    ...TEXT_PIECES.map((content): [string, unknown] => ['conversation.message.delta', { ...piece, content }]),
    ['conversation.message.completed', { ...piece, content: TEXT }],
    ['conversation.chat.completed', { id: 'chat-1', ...ids, status: 'completed', usage }],
    ['done', '"[DONE]"'],
  ).map((event) => event.replaceAll(': ', ':'));
  return { contentType: 'text/event-stream', events, wholeAfter: 9, sse: true };
}

export const STREAMS: Readonly<Record<Protocol, GoldenStream>> = {
  openai: openai(),
  claude: claude(),
  gemini: gemini(),
  ollama: ollama(),
  fastgpt: fastgpt(),
  dify: dify(),
  coze: coze(),
};

export { PROTOCOLS };
