import type { ChatRequest } from './chatRequest.ts';

/** A whole chat completion: its text as it came, and parsed. */
export interface ChatAnswer {
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The answer, or null when the text is an error in disguise: not JSON, not an object, or without choices. */
export function parseAnswer(text: string): ChatAnswer | null {
  try {
    const body: unknown = JSON.parse(text.trim());
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
    delta: choice.message ?? {},
    finish_reason: choice.finish_reason ?? 'stop',
  }));
  const chunk = {
    id: body['id'],
    object: 'chat.completion.chunk',
    created: body['created'],
    model: request.model,
    choices,
  };
  return `data: ${JSON.stringify(request.usageWanted ? { ...chunk, usage: null } : chunk)}\n\n`;
}
