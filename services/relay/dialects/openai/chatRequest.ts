import { z } from 'zod';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';

const text = z.string();
const contentPart = z.looseObject({ type: z.string().max(64) });
const message = z.looseObject({
  role: z.enum(['developer', 'system', 'user', 'assistant', 'tool', 'function']),
  content: z.union([text, z.array(contentPart).max(1_000), z.null()]).optional(),
});

/** `POST /v1/chat/completions`: what we act on, with bounds; every other field is passed through untouched. */
const chatBody = z.looseObject({
  model: z.string().min(1).max(200),
  messages: z.array(message).min(1).max(10_000),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  usage: z.looseObject({ include: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(16).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  service_tier: z.string().max(64).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  tools: z
    .array(z.looseObject({ type: z.string().max(64) }))
    .max(1_024)
    .nullish(),
});

export type ChatBody = z.infer<typeof chatBody>;
export type ChatMessage = ChatBody['messages'][number];

export interface ChatRequest {
  readonly body: ChatBody;
  /** The bytes as the client sent them: a JSON object. */
  readonly raw: Buffer;
  readonly model: string;
  readonly streamed: boolean;
  /** The client asked to see usage at the end of the stream. */
  readonly usageWanted: boolean;
  /** Completion tokens per choice that the client allows, null when it does not say. */
  readonly maxOutput: number | null;
  readonly choices: number;
}

/** Reads a chat body. Throws ApiError `invalid_json` or `invalid_request` (with the path of the first problem). */
export function parseChatRequest(raw: Buffer, maxDepth: number): ChatRequest {
  const body = readJsonBody(raw, maxDepth, chatBody, OUR_MEMBERS);
  const streamed = body.stream === true;
  return {
    body,
    raw,
    model: body.model,
    streamed,
    usageWanted: body.stream_options?.include_usage === true || body.usage?.include === true,
    maxOutput: body.max_completion_tokens ?? body.max_tokens ?? null,
    choices: body.n ?? 1,
  };
}

const OUR_MEMBERS = spellingOf(Object.keys(chatBody.shape));
