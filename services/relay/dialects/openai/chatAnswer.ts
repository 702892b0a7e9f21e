import { isObject, objectsIn, parseObject, type Json } from '../../wire/json.ts';
import type { ChatRequest } from './chatRequest.ts';

/** A whole chat completion: its JSON text without the blank lines or BOM that some upstreams put first, and parsed. */
export interface ChatAnswer {
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** How much of an answer that is none is kept to be judged. */
const EXCERPT_CHARACTERS = 65_536;

/** The answer, or null when the text is an error in disguise: not JSON, not an object, or without choices. */
export function parseAnswer(received: string): ChatAnswer | null {
  const text = received.trim();
  const body = parseObject(text);
  const choices = body?.['choices'];
  const isAnswer = body && Array.isArray(choices) && choices.every(isObject) && errorIn(body) === null;
  return isAnswer ? { text, body } : null;
}

/** What came in place of an answer, for its judgement: the beginning of the text, or the error of a choice. */
export function failureOf(received: string): string {
  const error = errorOfChoice(parseObject(received.trim())?.['choices']);
  return error ? JSON.stringify({ error }) : received.slice(0, EXCERPT_CHARACTERS);
}

/** The error that an upstream states under 200, in an answer or a chunk of one; null for none. */
export function errorIn(body: Json): unknown {
  const error = body['error'] || errorOfChoice(body['choices']);
  if (error) return error;
  if (body['object'] === 'error') return body;
  const state = body['base_resp'];
  return isObject(state) && state['status_code'] ? state : null;
}

function errorOfChoice(choices: unknown): unknown {
  return objectsIn(choices).find((choice) => choice['error'])?.['error'];
}

interface Choice {
  readonly index?: unknown;
  readonly message?: unknown;
  readonly finish_reason?: unknown;
}

/** One server-sent chunk that says what a whole answer says, for upstreams that ignore `stream: true`. */
export function asOneChunk(body: ChatAnswer['body'], request: ChatRequest): string {
  const choices = (body['choices'] as readonly Choice[]).map((choice, position) => ({
    index: choice.index ?? position,
    delta: asDelta(choice.message),
    finish_reason: choice.finish_reason ?? 'stop',
  }));
  const chunk = { ...chunkTemplate(body, request.model), choices };
  return `data: ${JSON.stringify(request.usageWanted ? { ...chunk, usage: null } : chunk)}\n\n`;
}

/** The members that every chunk of one answer shares. */
export function chunkTemplate(source: ChatAnswer['body'], model: unknown): ChatAnswer['body'] {
  return { id: source['id'], object: 'chat.completion.chunk', created: source['created'], model };
}

/** A delta names the place of each tool call, which a message does not. */
function asDelta(message: unknown): unknown {
  const calls = (message as { tool_calls?: unknown } | null | undefined)?.tool_calls;
  if (!Array.isArray(calls)) return message ?? {};
  return { ...(message as object), tool_calls: calls.map((call: object, index) => ({ index, ...call })) };
}
