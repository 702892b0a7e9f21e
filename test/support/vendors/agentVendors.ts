import { dataLine, INPUT, OUTPUT, PLAIN_USAGE, SENTENCES, type FailureStatus, type Vendor } from './vendor.ts';

const EVENT_STREAM = 'text/event-stream; charset=utf-8';

/** Agents are always asked for streams, so they are never to answer whole. */
function neverWhole(): never {
  throw new Error('an agent was asked for an answer that is no stream');
}

function named(name: string, data: unknown): string {
  return `event: ${name}\n${dataLine(data)}`;
}

function fastgptChunk(delta: object, finish: string | null = null): string {
  const choices = [{ delta, index: 0, finish_reason: finish }];
  return named('answer', { id: '', object: '', created: 0, model: '', choices });
}

const FASTGPT_WORDS: Readonly<Record<FailureStatus, object>> = {
  400: { code: 400, statusText: 'invalidParams' },
  401: { code: 514, statusText: 'unAuthApiKey' },
  429: { code: 429, statusText: 'tooManyRequest' },
  500: { code: 500, statusText: 'error' },
};

/** FastGPT with details; its tokens come behind `[DONE]`. */
export const fastgptVendor: Vendor = {
  protocol: 'fastgpt',
  basePath: '/api',
  model: 'any-app',
  contentType: EVENT_STREAM,
  streams: () => true,
  stream: ({ thinking, text }) => ({
    begun: [
      named('flowNodeStatus', { status: 'running', name: 'AI Chat' }),
      ...(thinking === '' ? [] : [fastgptChunk({ role: 'assistant', reasoning_content: thinking })]),
      ...text.map((content) => fastgptChunk({ role: 'assistant', content })),
    ],
    ended: [
      fastgptChunk({ role: 'assistant', content: null }, 'stop'),
      named('answer', '[DONE]'),
      named('flowResponses', [
        { moduleType: 'workflowStart', moduleName: 'Start' },
        { moduleType: 'chatNode', moduleName: 'AI Chat', inputTokens: INPUT, outputTokens: OUTPUT, totalPoints: 0.03 },
      ]),
    ],
  }),
  whole: neverWhole,
  failure: (status) => ({
    status: 500,
    headers: {},
    body: { ...FASTGPT_WORDS[status], message: SENTENCES[status], data: null },
  }),
  streamFailure: named('error', { message: 'The model of this app failed' }),
  usage: () => PLAIN_USAGE,
};

const DIFY_IDS = { task_id: 'task-fixture', message_id: 'message-fixture', conversation_id: 'conversation-fixture' };

function difyEvent(event: string, members: object): string {
  return dataLine({ event, ...DIFY_IDS, created_at: 1_760_000_000, ...members });
}

const DIFY_CODES: Readonly<Record<FailureStatus, string>> = {
  400: 'invalid_param',
  401: 'unauthorized',
  429: 'too_many_requests',
  500: 'internal_server_error',
};

/** A chat app of Dify. */
export const difyVendor: Vendor = {
  protocol: 'dify',
  basePath: '/v1',
  model: 'any-app',
  contentType: EVENT_STREAM,
  streams: () => true,
  stream: ({ thinking, text }) => ({
    begun: [
      'event: ping\n\n',
      ...(thinking === '' ? [] : [difyEvent('agent_thought', { id: 'thought-1', position: 1, thought: thinking })]),
      ...text.map((answer) => difyEvent('message', { answer })),
    ],
    ended: [
      difyEvent('message_end', {
        metadata: {
          usage: {
            prompt_tokens: INPUT,
            prompt_unit_price: '0.001',
            completion_tokens: OUTPUT,
            total_tokens: INPUT + OUTPUT,
            total_price: '0.000032',
            currency: 'USD',
            latency: 0.7,
          },
          retriever_resources: [],
        },
      }),
    ],
  }),
  whole: neverWhole,
  failure: (status) => ({
    status,
    headers: {},
    body: { code: DIFY_CODES[status], message: SENTENCES[status], status },
  }),
  streamFailure: difyEvent('error', { status: 500, code: 'internal_server_error', message: 'The app failed' }),
  usage: () => PLAIN_USAGE,
};

const COZE_IDS = { conversation_id: '7374752000116113452', bot_id: '7379462189365198898' };
const CHAT = { id: '7382159487131697202', ...COZE_IDS };

/** Coze puts no space behind its colons. */
function cozeEvent(name: string, data: unknown): string {
  return `event:${name}\ndata:${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

function cozeMessage(name: string, content: string, thinking = ''): string {
  const message = { id: '7382159494123470858', role: 'assistant', type: 'answer', content, content_type: 'text' };
  const reasoning = thinking === '' ? {} : { reasoning_content: thinking };
  return cozeEvent(`conversation.message.${name}`, { ...message, ...reasoning, ...COZE_IDS, chat_id: CHAT.id });
}

const COZE_CODES: Readonly<Record<FailureStatus, number>> = { 400: 4000, 401: 4100, 429: 4013, 500: 5000 };

/** A bot of Coze, which refuses under status 200. */
export const cozeVendor: Vendor = {
  protocol: 'coze',
  basePath: '',
  model: '7379462189365198898',
  contentType: EVENT_STREAM,
  streams: () => true,
  stream: ({ thinking, text }) => ({
    begun: [
      cozeEvent('conversation.chat.created', { ...CHAT, status: 'created' }),
      cozeEvent('conversation.chat.in_progress', { ...CHAT, status: 'in_progress' }),
      ...(thinking === '' ? [] : [cozeMessage('delta', '', thinking)]),
      ...text.map((piece) => cozeMessage('delta', piece)),
    ],
    ended: [
      cozeMessage('completed', text.join('')),
      cozeEvent('conversation.chat.completed', {
        ...CHAT,
        status: 'completed',
        usage: { token_count: INPUT + OUTPUT, output_count: OUTPUT, input_count: INPUT },
      }),
      cozeEvent('done', '"[DONE]"'),
    ],
  }),
  whole: neverWhole,
  failure: (status) => ({
    status: 200,
    headers: { 'x-tt-logid': 'fixture' },
    body: { code: COZE_CODES[status], msg: SENTENCES[status], error: { logid: 'fixture' } },
  }),
  streamFailure: cozeEvent('conversation.chat.failed', {
    ...CHAT,
    status: 'failed',
    last_error: { code: 5000, msg: 'The bot failed' },
  }),
  usage: () => PLAIN_USAGE,
};
