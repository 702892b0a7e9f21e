import { z } from 'zod';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';

const block = z.looseObject({ type: z.string().max(64) });
const textBlock = z.looseObject({ type: z.literal('text'), text: z.string() });
const MAX_BLOCKS = 10_000;

const message = z.looseObject({
  role: z.enum(['user', 'assistant', 'system']),
  content: z.union([z.string(), z.array(block).max(MAX_BLOCKS)]),
});

/** `POST /v1/messages`: what we act on, with bounds; every other field is passed through untouched. */
const messagesBody = z.looseObject({
  model: z.string().min(1).max(200),
  /** 0 warms a cache. */
  max_tokens: z.int().min(0),
  messages: z.array(message).min(1).max(100_000),
  system: z.union([z.string(), z.array(textBlock).max(MAX_BLOCKS)]).nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  stop_sequences: z.array(z.string()).max(1_000).nullish(),
  tools: z
    .array(z.looseObject({ type: z.string().max(64).nullish(), name: z.string().max(200).nullish() }))
    .max(1_024)
    .nullish(),
  tool_choice: z
    .looseObject({
      type: z.enum(['auto', 'any', 'none', 'tool']),
      name: z.string().max(200).nullish(),
      disable_parallel_tool_use: z.boolean().nullish(),
    })
    .nullish(),
  thinking: z.looseObject({ type: z.string().max(64), budget_tokens: z.int().min(0).nullish() }).nullish(),
  output_config: z.looseObject({ effort: z.string().max(64).nullish() }).nullish(),
});

/** `POST /v1/messages/count_tokens`: a call without its output. */
const countBody = messagesBody.partial({ max_tokens: true });

export type ClaudeBody = z.infer<typeof messagesBody>;
export type CountBody = z.infer<typeof countBody>;
export type ClaudeBlock = z.infer<typeof block>;

export interface ClaudeRequest {
  readonly body: ClaudeBody;
  /** The bytes as the client sent them: a JSON object. */
  readonly raw: Buffer;
  readonly model: string;
  readonly streamed: boolean;
  /** The client wants to see what the model thinks. */
  readonly thinkingShown: boolean;
}

/** Reads a Messages body. Throws ApiError `invalid_json` or `invalid_request` (with the path of the first problem). */
export function parseClaudeRequest(raw: Buffer, maxDepth: number): ClaudeRequest {
  const body = readJsonBody(raw, maxDepth, messagesBody, OUR_MEMBERS);
  return { body, raw, model: body.model, streamed: body.stream === true, thinkingShown: showsThinking(body) };
}

/** Reads a body whose tokens shall be counted. Throws as `parseClaudeRequest` does. */
export function parseCountBody(raw: Buffer, maxDepth: number): CountBody {
  return readJsonBody(raw, maxDepth, countBody, OUR_MEMBERS);
}

const OUR_MEMBERS = spellingOf(Object.keys(messagesBody.shape));

export function showsThinking({ thinking }: Pick<ClaudeBody, 'thinking'>): boolean {
  return (thinking?.type === 'enabled' || thinking?.type === 'adaptive') && thinking['display'] !== 'omitted';
}
