import { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';

const tokens = z.array(z.int().min(0)).max(100_000);

/** `POST /v1/completions`, the dialect that came before chat: what we act on, with bounds. */
const completionsBody = z.looseObject({
  model: z.string().min(1).max(200),
  prompt: z.union([z.string(), z.array(z.string()).min(1).max(2_048), tokens, z.array(tokens).min(1).max(2_048)]),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(16).nullish(),
  best_of: z.int().min(1).nullish(),
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
  logprobs: z.int().min(0).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(64)]).nullish(),
  seed: z.int().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
});

export type CompletionsBody = z.infer<typeof completionsBody>;

const OUR_MEMBERS = spellingOf(Object.keys(completionsBody.shape));

/** OpenAI's own. */
const DEFAULT_MAX_TOKENS = 16;

export interface CompletionsRequest {
  readonly body: CompletionsBody;
  /** The bytes as the client sent them. */
  readonly raw: Buffer;
  readonly model: string;
  /** The text to go on from. */
  readonly prompt: string;
  readonly streamed: boolean;
  /** The client asked to see usage at the end of the stream. */
  readonly usageWanted: boolean;
  /** Completion tokens per choice. */
  readonly maxOutput: number;
  readonly choices: number;
}

/**
 * Reads a body. Throws ApiError `invalid_json` or `invalid_request` (with the path of the first problem), and
 * `unsupported_parameter` for what no chat can give: several prompts, prompts of token ids, `echo`, `suffix`,
 * `logprobs`, and a `best_of` above `n`.
 */
export function parseCompletionsRequest(raw: Buffer, maxDepth: number): CompletionsRequest {
  const body = readJsonBody(raw, maxDepth, completionsBody, OUR_MEMBERS);
  refuseUnsupported(body);
  return {
    body,
    raw,
    model: body.model,
    prompt: onlyPrompt(body.prompt),
    streamed: body.stream === true,
    usageWanted: body.stream_options?.include_usage === true,
    maxOutput: body.max_tokens ?? DEFAULT_MAX_TOKENS,
    choices: body.n ?? 1,
  };
}

function onlyPrompt(stated: CompletionsBody['prompt']): string {
  if (typeof stated === 'string') return stated;
  const [first, ...others] = stated;
  if (others.length > 0 && typeof first === 'string') throw unsupported('prompt', 'Send one prompt per call.');
  if (typeof first !== 'string') throw unsupported('prompt', 'The prompt must be text, not token ids.');
  return first;
}

function refuseUnsupported({ echo, suffix, logprobs, best_of: bestOf, n }: CompletionsBody): void {
  const detail = 'Models behind this route cannot do this.';
  if (echo === true) throw unsupported('echo', detail);
  if (suffix !== undefined && suffix !== null && suffix !== '') throw unsupported('suffix', detail);
  if (logprobs !== undefined && logprobs !== null) throw unsupported('logprobs', detail);
  if ((bestOf ?? 1) > (n ?? 1)) throw unsupported('best_of', detail);
}

function unsupported(param: string, detail: string): ApiError {
  return new ApiError('unsupported_parameter', { detail, param });
}
