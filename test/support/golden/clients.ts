import type { ClientFace, RelayCall } from '../../../services/relay/call.ts';
import { claudeMessagesCall } from '../../../services/relay/dialects/claude/call.ts';
import { CLAUDE_FACE } from '../../../services/relay/dialects/claude/face.ts';
import { completionsCall } from '../../../services/relay/dialects/completions/call.ts';
import { gatewayCall } from '../../../services/relay/dialects/gateway/call.ts';
import { GATEWAY_FACE } from '../../../services/relay/dialects/gateway/face.ts';
import { readGatewayRequest } from '../../../services/relay/dialects/gateway/request.ts';
import { geminiCall } from '../../../services/relay/dialects/gemini/call.ts';
import { GEMINI_ARRAY_FACE, GEMINI_SSE_FACE, GEMINI_WHOLE_FACE } from '../../../services/relay/dialects/gemini/face.ts';
import { hubChatCall, hubStreamCall } from '../../../services/relay/dialects/hub/call.ts';
import { HUB_FACE } from '../../../services/relay/dialects/hub/face.ts';
import { ollamaChatCall } from '../../../services/relay/dialects/ollama/call.ts';
import { OLLAMA_FACE } from '../../../services/relay/dialects/ollama/face.ts';
import { chatCall } from '../../../services/relay/dialects/openai/chatCall.ts';
import { OPENAI_FACE } from '../../../services/relay/dialects/openai/face.ts';
import { protocolsWith } from '../../../services/relay/dialects/protocols.ts';
import { responsesCall } from '../../../services/relay/dialects/responses/call.ts';
import { RESPONSES_FACE } from '../../../services/relay/dialects/responses/face.ts';
import type { Protocol } from '../../../services/relay/ports.ts';
import { MODEL, PROMPT } from './prompt.ts';
import {
  chunkReader,
  readClaude,
  readGeminiArray,
  readGeminiEvents,
  readOllama,
  readResponses,
  type StreamReader,
} from './streamReaders.ts';

/** A client of one dialect, who says `PROMPT` and nothing else. */
export interface GoldenClient {
  readonly name: string;
  /** Protocols whose answers reach this client as they are, or which this dialect was made for. */
  readonly own: readonly Protocol[];
  face(streamed: boolean): ClientFace;
  call(streamed: boolean): RelayCall | Promise<RelayCall>;
  readonly read: StreamReader;
  /** Whether a body is an error in the dialect's own shape. */
  isError(body: Json): boolean;
}

type Json = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 64;
const SPOKEN = protocolsWith({ fetch: () => Promise.reject(new Error('nothing is to be fetched')) });
const MESSAGES = [{ role: 'user', content: PROMPT }];

function bytes(body: object): Buffer {
  return Buffer.from(JSON.stringify(body));
}

const hasType = (value: unknown): boolean => typeof (value as { type?: unknown } | null)?.type === 'string';
const isOpenaiError = ({ error }: Json): boolean => hasType(error);
const isHubError = ({ success, error }: Json): boolean => success === false && hasType(error);
const isGatewayError = ({ code, msg }: Json): boolean => typeof code === 'number' && typeof msg === 'string';
const isGeminiError = ({ error }: Json): boolean => typeof (error as Json | undefined)?.['status'] === 'string';

function gemini(name: string, sse: boolean, read: StreamReader): GoldenClient {
  const contents = [{ role: 'user', parts: [{ text: PROMPT }] }];
  const face = sse ? GEMINI_SSE_FACE : GEMINI_ARRAY_FACE;
  return {
    name,
    own: ['gemini'],
    face: (streamed) => (streamed ? face : GEMINI_WHOLE_FACE),
    call(streamed) {
      const method = streamed ? 'streamGenerateContent' : 'generateContent';
      const generationConfig = { thinkingConfig: { includeThoughts: true } };
      return geminiCall(bytes({ contents, generationConfig }), MAX_DEPTH, { model: MODEL, method, sse }, SPOKEN);
    },
    read,
    isError: isGeminiError,
  };
}

export const CLIENTS: readonly GoldenClient[] = [
  {
    name: 'openai',
    own: ['openai'],
    face: () => OPENAI_FACE,
    call: (stream) =>
      chatCall(bytes({ model: MODEL, messages: MESSAGES, stream, ...asksUsage(stream) }), MAX_DEPTH, SPOKEN),
    read: chunkReader(isOpenaiError),
    isError: isOpenaiError,
  },
  {
    name: 'completions',
    own: ['openai'],
    face: () => OPENAI_FACE,
    call(stream) {
      const body = { model: MODEL, prompt: PROMPT, max_tokens: 500, stream, ...asksUsage(stream) };
      return completionsCall(bytes(body), MAX_DEPTH, SPOKEN);
    },
    read: chunkReader(isOpenaiError),
    isError: isOpenaiError,
  },
  {
    name: 'responses',
    own: ['openai'],
    face: () => RESPONSES_FACE,
    call: (stream) =>
      responsesCall(bytes({ model: MODEL, input: PROMPT, stream }), MAX_DEPTH, SPOKEN, { stored: null }),
    read: readResponses,
    isError: isOpenaiError,
  },
  {
    name: 'hub',
    own: ['openai'],
    face: () => HUB_FACE,
    call(streamed) {
      const make = streamed ? hubStreamCall : hubChatCall;
      return make(bytes({ model: MODEL, messages: MESSAGES }), MAX_DEPTH, SPOKEN);
    },
    read: chunkReader(isHubError, true),
    isError: isHubError,
  },
  {
    name: 'claude',
    own: ['claude'],
    face: () => CLAUDE_FACE,
    call(stream) {
      const body = { model: MODEL, max_tokens: 500, messages: MESSAGES, stream };
      return claudeMessagesCall(bytes(body), MAX_DEPTH, {}, SPOKEN);
    },
    read: readClaude,
    isError: ({ type, error }) => type === 'error' && hasType(error),
  },
  gemini('gemini sse', true, readGeminiEvents),
  gemini('gemini array', false, readGeminiArray),
  {
    name: 'ollama',
    own: ['ollama'],
    face: () => OLLAMA_FACE,
    call: (stream) => ollamaChatCall(bytes({ model: MODEL, messages: MESSAGES, stream }), MAX_DEPTH, SPOKEN, () => 7),
    read: readOllama,
    isError: ({ error, code }) => typeof error === 'string' && typeof code === 'string',
  },
  {
    name: 'gateway',
    own: ['fastgpt', 'dify', 'coze'],
    face: () => GATEWAY_FACE,
    call(stream) {
      const request = readGatewayRequest(bytes({ query: PROMPT, user: 'user-1', stream }), MAX_DEPTH);
      const session = { id: 'session-1', place: null };
      return gatewayCall(request, { agent: 'dify', session, spoken: SPOKEN, onSession: () => undefined });
    },
    read: chunkReader(isGatewayError),
    isError: isGatewayError,
  },
];

function asksUsage(streamed: boolean): object {
  return streamed ? { stream_options: { include_usage: true } } : {};
}

export function client(name: string): GoldenClient {
  const found = CLIENTS.find((one) => one.name === name);
  if (!found) throw new Error(`no client is called ${name}`);
  return found;
}
