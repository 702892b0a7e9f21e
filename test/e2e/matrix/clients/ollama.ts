import { TOOL_FEATURES } from '../features.ts';
import {
  all,
  hearUntil,
  outputLimit,
  TOOLS,
  type DialectClient,
  type Heard,
  type Target,
  type Wish,
} from './client.ts';
import { HttpFailure, httpFailure, linesOf, post } from './http.ts';

interface Said {
  readonly thinking?: string;
  readonly tool_calls?: readonly {
    readonly id?: string;
    readonly function: { readonly name: string; readonly arguments: unknown };
  }[];
}

/** A line of a stream, or a whole answer, of either route. */
interface Line extends Said {
  readonly message?: Said & { readonly content: string };
  readonly response?: string;
  readonly done: boolean;
  readonly done_reason?: string;
  readonly prompt_eval_count?: number;
  readonly eval_count?: number;
  readonly error?: string;
}

/** The Ollama-based service by plain fetch: `/chat`. */
export function ollamaChat(target: Target): DialectClient {
  return ollamaClient(target, 'ollama chat', '/api/ai-service/chat', chatBodyOf, new Set());
}

/** The Ollama-based service by plain fetch: `/generate`, which knows no tools. */
export function ollamaGenerate(target: Target): DialectClient {
  return ollamaClient(target, 'ollama generate', '/api/ai-service/generate', generateBodyOf, new Set(TOOL_FEATURES));
}

function ollamaClient(
  target: Target,
  name: string,
  path: string,
  bodyOf: (wish: Wish) => object,
  lacks: DialectClient['lacks'],
): DialectClient {
  const ask = (wish: Wish, signal?: AbortSignal) =>
    post(target, {
      path,
      body: { model: wish.model, stream: wish.streamed, options: { num_predict: outputLimit(wish) }, ...bodyOf(wish) },
      ...(signal && { signal }),
    });
  return {
    name,
    finishes: { stop: 'stop', tools: 'stop', length: 'length' },
    unsupported: 'AI_SERVICE_ERROR',
    lacks,
    asksForThinking: true,
    showsThinking: true,
    failures: {
      400: { kind: 'fetch', status: 400, code: 'AI_SERVICE_ERROR' },
      429: { kind: 'fetch', status: 429, code: 'RATE_LIMIT_EXCEEDED' },
      502: { kind: 'fetch', status: 502, code: 'AI_SERVICE_ERROR' },
      stream: { kind: 'fetch', status: null },
    },
    async ask(wish) {
      const response = await ask(wish);
      return heardIn(wish.streamed ? await all(answerLines(response)) : [(await response.json()) as Line]);
    },
    async leave(wish, pieces) {
      const leaving = new AbortController();
      const response = await ask(wish, leaving.signal);
      async function* texts() {
        for await (const line of answerLines(response)) yield textOf(line);
      }
      return hearUntil(texts(), pieces, () => leaving.abort());
    },
    failureOf: (error) => httpFailure(error, ({ code }) => code),
  };
}

async function* answerLines(response: Response): AsyncGenerator<Line> {
  for await (const line of linesOf<Line>(response, '')) {
    if (line.error !== undefined) throw new HttpFailure(null, { ...line });
    yield line;
  }
}

function chatBodyOf({ prompt, tools, turn, image, thinking }: Wish): object {
  return {
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: prompt, ...(image !== null && { images: [image] }) },
      ...turnOf(turn),
    ],
    ...(tools && {
      tools: TOOLS.map(({ name, description, schema }) => ({
        type: 'function',
        function: { name, description, parameters: schema },
      })),
    }),
    ...(thinking && { think: true }),
  };
}

function turnOf(turn: Wish['turn']): object[] {
  if (turn === null) return [];
  const { calls, text } = turn.heard;
  return [
    {
      role: 'assistant',
      content: text,
      tool_calls: calls.map(({ id, name, arguments: given }) => ({
        ...(id !== null && { id }),
        function: { name, arguments: given },
      })),
    },
    ...calls.map(({ id, name }) => ({
      role: 'tool',
      tool_name: name,
      content: turn.result,
      ...(id !== null && { tool_call_id: id }),
    })),
  ];
}

function generateBodyOf({ prompt, image, thinking }: Wish): object {
  return { prompt, ...(image !== null && { images: [image] }), ...(thinking && { think: true }) };
}

function textOf({ message, response }: Line): string {
  return message?.content ?? response ?? '';
}

function heardIn(lines: readonly Line[]): Heard {
  const said = lines.map((line): Said => line.message ?? line);
  const last = lines.at(-1);
  if (last?.done !== true) throw new Error('the answer has no end');
  return {
    text: lines.map(textOf).join(''),
    thinking: said.map(({ thinking }) => thinking ?? '').join(''),
    calls: said
      .flatMap(({ tool_calls: calls }) => calls ?? [])
      .map(({ id, function: { name, arguments: given } }) => ({ id: id ?? null, name, arguments: given })),
    finish: last.done_reason ?? null,
    tokens: [last.prompt_eval_count ?? 0, last.eval_count ?? 0],
  };
}
