import type { ChatRequest } from './chatRequest.ts';

/** A whole chat completion: its JSON text without the blank lines or BOM that some upstreams put first, and parsed. */
export interface ChatAnswer {
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The answer, or null when the text is an error in disguise: not JSON, not an object, or without choices. */
export function parseAnswer(received: string): ChatAnswer | null {
  const text = received.trim();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== 'object' || body === null || !Array.isArray((body as ChatAnswer['body'])['choices']))
      return null;
    const answer = body as ChatAnswer['body'];
    const failed =
      answer['error'] ?? (answer['choices'] as { error?: unknown }[]).find((choice) => choice.error)?.error;
    return failed ? null : { text, body: answer };
  } catch {
    // The caller classifies the text as an upstream failure.
    return null;
  }
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
