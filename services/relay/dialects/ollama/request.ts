import { z } from 'zod';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';

const text = z.string();
const images = z.array(z.string().min(1)).max(1_000).nullish();

const toolCall = z.looseObject({
  id: z.string().max(256).nullish(),
  function: z.looseObject({ name: z.string().min(1).max(256), arguments: z.looseObject({}).nullish() }),
});
const message = z.looseObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: text.nullish(),
  thinking: text.nullish(),
  images,
  tool_calls: z.array(toolCall).max(1_000).nullish(),
  tool_name: z.string().max(256).nullish(),
  tool_call_id: z.string().max(256).nullish(),
});
const tool = z.looseObject({
  type: z.string().max(64).nullish(),
  function: z.looseObject({
    name: z.string().min(1).max(256),
    description: text.nullish(),
    parameters: z.looseObject({}).nullish(),
  }),
});

/** Those that other protocols have too; the rest is for an Ollama server alone. */
const options = z.looseObject({
  num_predict: z.int().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.int().nullish(),
  stop: z.array(z.string().max(1_000)).max(64).nullish(),
});

const common = {
  model: z.string().min(1).max(200),
  stream: z.boolean().nullish(),
  options: options.nullish(),
  format: z.union([z.literal(['', 'json']), z.looseObject({})]).nullish(),
  think: z.union([z.boolean(), z.enum(['low', 'medium', 'high', 'max'])]).nullish(),
  keep_alive: z.union([z.string().max(64), z.number()]).nullish(),
  logprobs: z.boolean().nullish(),
  images,
};

/** The prompt stands first, so that of several problems its absence is told. */
const chatBody = z.looseObject({
  messages: z.array(message).min(1).max(10_000),
  ...common,
  tools: z.array(tool).max(1_024).nullish(),
});
const generateBody = z.looseObject({
  prompt: z.string().min(1),
  ...common,
  system: text.nullish(),
  suffix: text.nullish(),
  template: text.nullish(),
  raw: z.boolean().nullish(),
  context: z.array(z.int()).nullish(),
});

export type OllamaChatBody = z.infer<typeof chatBody>;
export type OllamaMessage = OllamaChatBody['messages'][number];
export type OllamaGenerateBody = z.infer<typeof generateBody>;

interface Common {
  /** The bytes as the client sent them: a JSON object. */
  readonly raw: Buffer;
  readonly model: string;
  /** Only when asked for, unlike Ollama: the clients of this route expect one JSON object. */
  readonly streamed: boolean;
  /** Output tokens that the client allows, null when it does not say. */
  readonly maxOutput: number | null;
}
export type OllamaChatRequest = Common & { readonly kind: 'chat'; readonly body: OllamaChatBody };
export type OllamaGenerateRequest = Common & { readonly kind: 'generate'; readonly body: OllamaGenerateBody };
export type OllamaRequest = OllamaChatRequest | OllamaGenerateRequest;

/** Reads a body of `/chat`. Throws ApiError; without messages, or with an empty list, its `param` is `messages`. */
export function parseOllamaChat(raw: Buffer, maxDepth: number): OllamaChatRequest {
  const body = readJsonBody(raw, maxDepth, chatBody, CHAT_MEMBERS);
  return { kind: 'chat', body, ...commonOf(raw, body) };
}

/** Reads a body of `/generate`. Throws ApiError; without a prompt, or with an empty one, its `param` is `prompt`. */
export function parseOllamaGenerate(raw: Buffer, maxDepth: number): OllamaGenerateRequest {
  const body = readJsonBody(raw, maxDepth, generateBody, GENERATE_MEMBERS);
  return { kind: 'generate', body, ...commonOf(raw, body) };
}

/** Ollama generates without a limit for 0 (no limit stated) and for anything below. */
function commonOf(raw: Buffer, body: OllamaChatBody | OllamaGenerateBody): Common {
  const limit = body.options?.num_predict ?? 0;
  return { raw, model: body.model, streamed: body.stream === true, maxOutput: limit > 0 ? limit : null };
}

const CHAT_MEMBERS = spellingOf(Object.keys(chatBody.shape));
const GENERATE_MEMBERS = spellingOf(Object.keys(generateBody.shape));
