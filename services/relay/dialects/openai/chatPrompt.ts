import { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';
import type { AnswerFormat, ChatPrompt, Reasoning } from '../../canonical/prompt.ts';
import { isObject } from '../../wire/json.ts';
import { readMessages } from './chatPromptMessages.ts';
import { readToolChoice, readTools } from './chatPromptTools.ts';
import type { ChatBody } from './chatRequest.ts';

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;

/** What only matters once a chat is carried to another dialect; a channel of this one judges it itself. */
const controls = z.looseObject({
  stop: z.union([z.string(), z.array(z.string()).max(64)]).nullish(),
  seed: z.int().nullish(),
  top_k: z.int().min(0).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning_effort: z.enum(EFFORTS).nullish(),
  reasoning: z
    .looseObject({
      effort: z.enum(EFFORTS).nullish(),
      max_tokens: z.int().min(0).nullish(),
      enabled: z.boolean().nullish(),
      exclude: z.boolean().nullish(),
    })
    .nullish(),
  response_format: z
    .looseObject({
      type: z.string(),
      json_schema: z
        .looseObject({
          name: z.string().min(1).max(64),
          schema: z.record(z.string(), z.unknown()),
          strict: z.boolean().nullish(),
        })
        .optional(),
    })
    .nullish(),
});

type Controls = z.infer<typeof controls>;

/**
 * A chat in the form that every other protocol understands. Throws ApiError `invalid_request` for what is malformed and
 * `unsupported_parameter` for what would change the answer and no other protocol has: audio answers, log
 * probabilities, web search options, custom tools, allowed tools.
 *
 * Dropped, because they steer nothing that a client could miss in the answer: names of speakers, `logit_bias`,
 * `prediction`, `verbosity`, `service_tier`, `store`, `metadata`, `user`, `safety_identifier`, cache keys, and members
 * that OpenAI does not know.
 */
export function chatPrompt(body: ChatBody): ChatPrompt {
  refuseUnsupported(body);
  const read = readControls(body);
  const { stop } = read;
  return {
    ...readMessages(body.messages),
    tools: readTools(body),
    toolChoice: readToolChoice(body),
    parallelTools: asksFunctions(body) ? false : (read.parallel_tool_calls ?? null),
    sampling: {
      temperature: body.temperature ?? null,
      topP: body.top_p ?? null,
      topK: read.top_k ?? null,
      presencePenalty: body.presence_penalty ?? null,
      frequencyPenalty: body.frequency_penalty ?? null,
      seed: read.seed ?? null,
      stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    },
    format: answerFormat(read.response_format),
    reasoning: reasoning(read),
    maxOutput: body.max_completion_tokens ?? body.max_tokens ?? null,
    choices: body.n ?? 1,
    streamed: body.stream === true,
    session: null,
  };
}

/** The client knows only the one function call per answer that came before tools, and wants it answered so. */
export function asksFunctions(body: ChatBody): boolean {
  return Array.isArray(body['functions']) && body['functions'].length > 0 && !body.tools?.length;
}

function readControls(body: ChatBody): Controls {
  const read = controls.safeParse(body);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  const param = issue?.path.join('.') ?? '';
  throw new ApiError('invalid_request', { detail: `${param}: ${issue?.message ?? 'not valid'}`, param });
}

function refuseUnsupported(body: ChatBody): void {
  const { modalities } = body;
  const asks: Readonly<Record<string, boolean>> = {
    modalities: Array.isArray(modalities) && modalities.includes('audio'),
    audio: isObject(body['audio']),
    logprobs: body['logprobs'] === true,
    top_logprobs: typeof body['top_logprobs'] === 'number' && body['top_logprobs'] > 0,
    web_search_options: isObject(body['web_search_options']),
  };
  const param = Object.keys(asks).find((name) => asks[name]);
  if (param === undefined) return;
  throw new ApiError('unsupported_parameter', { detail: `The provider of this model does not know ${param}.`, param });
}

function answerFormat(stated: Controls['response_format']): AnswerFormat | null {
  if (!stated) return null;
  switch (stated.type) {
    case 'text':
      return null;
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema': {
      const param = 'response_format.json_schema';
      if (!stated.json_schema) throw new ApiError('invalid_request', { detail: `${param}: is missing`, param });
      const { name, schema, strict } = stated.json_schema;
      return { kind: 'schema', name, schema, strict: strict ?? null };
    }
    default: {
      const param = 'response_format.type';
      const detail = 'The provider of this model does not know this format.';
      throw new ApiError('unsupported_parameter', { detail, param });
    }
  }
}

/** OpenAI's effort, or OpenRouter's `reasoning`. Thinking is shown unless the client excludes it. */
function reasoning({ reasoning_effort: effort, reasoning: stated }: Controls): Reasoning | null {
  if (!stated) return effort ? { effort, budgetTokens: null, shown: true } : null;
  return {
    effort: stated.enabled === false ? 'none' : (stated.effort ?? effort ?? null),
    budgetTokens: stated.max_tokens ?? null,
    shown: stated.exclude !== true,
  };
}
