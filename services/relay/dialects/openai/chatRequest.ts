import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { ApiError } from '../../http/errors.ts';
import { shapeProblem } from './jsonShape.ts';
import { memberNames } from './memberNames.ts';

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
  // Readers differ in what they make of other bytes, so an upstream might find names there that we do not.
  if (!isUtf8(raw)) throw new ApiError('invalid_json', { detail: 'The body is not valid UTF-8.' });
  const source = raw.toString('utf8');
  const problem = shapeProblem(source, maxDepth);
  if (problem !== null) throw new ApiError('invalid_request', { detail: problem });
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (error) {
    throw new ApiError('invalid_json', { cause: error });
  }
  refusePrototypeKeys(json);
  const parsed = chatBody.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const param = issue?.path.join('.') ?? '';
    throw new ApiError('invalid_request', {
      detail: `${param || 'body'}: ${issue?.message ?? 'not valid'}`,
      ...(param !== '' && { param }),
    });
  }
  refuseAmbiguousNames(source);
  const body = parsed.data;
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

const OUR_MEMBERS: ReadonlySet<string> = new Set(Object.keys(chatBody.shape));

/**
 * Refuses a member that we act on when it stands twice, or in other letters. Upstreams differ in which of two they
 * follow, and some read names without regard to case, so they might run another model or limit than we hold and price.
 */
function refuseAmbiguousNames(source: string): void {
  const seen = new Set<string>();
  for (const name of memberNames(source)) {
    // Upper case first, for letters such as ſ and K that fold into ASCII.
    const folded = name.toUpperCase().toLowerCase();
    if (!OUR_MEMBERS.has(folded)) continue;
    if (name !== folded || seen.has(folded)) {
      throw new ApiError('invalid_request', { detail: `${folded}: must stand once, in lower case`, param: folded });
    }
    seen.add(folded);
  }
}

/** Refuses keys that could reach a prototype. */
function refusePrototypeKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) refusePrototypeKeys(item);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw new ApiError('invalid_request', { detail: 'The key "__proto__" is not allowed.' });
    refusePrototypeKeys(item);
  }
}
