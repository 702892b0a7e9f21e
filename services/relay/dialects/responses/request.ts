import { z } from 'zod';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';

const name = z.string().max(64);
const input = z.union([z.string(), z.array(z.looseObject({ type: name.nullish() })).max(10_000)]);
const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 pairs');
const effort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);
const summary = z.enum(['auto', 'concise', 'detailed']);

/** What of a body becomes a prompt. Items and tools are read one by one, so that a problem is named by its place. */
const promptMembers = {
  input: input.nullish(),
  instructions: z.string().nullish(),
  tools: z
    .array(z.looseObject({ type: name }))
    .max(1_024)
    .nullish(),
  tool_choice: z.union([name, z.looseObject({ type: name })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z.looseObject({ format: z.looseObject({ type: name }).nullish() }).nullish(),
  reasoning: z
    .looseObject({ effort: effort.nullish(), summary: summary.nullish(), generate_summary: summary.nullish() })
    .nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  previous_response_id: z.string().min(1).max(200).nullish(),
  background: z.boolean().nullish(),
  include: z.array(name).max(64).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  stream: z.boolean().nullish(),
};

/** `POST /v1/responses/input_tokens`: everything may be missing. */
const promptBody = z.looseObject({ model: z.string().min(1).max(200).nullish(), ...promptMembers });

/** `POST /v1/responses`: what we act on, with bounds. */
const responsesBody = z.looseObject({
  ...promptMembers,
  model: z.string().min(1).max(200),
  input: z.union([z.string(), input.options[1].min(1)]),
  store: z.boolean().nullish(),
  metadata: metadata.nullish(),
  user: z.string().max(512).nullish(),
  safety_identifier: z.string().max(512).nullish(),
  prompt_cache_key: z.string().max(512).nullish(),
});

export type PromptBody = z.infer<typeof promptBody>;
export type ResponsesBody = z.infer<typeof responsesBody>;

/** Throws ApiError `invalid_json` or `invalid_request` (with the path of the first problem). */
export function parseResponsesBody(raw: Buffer, maxDepth: number): ResponsesBody {
  return readJsonBody(raw, maxDepth, responsesBody, RESPONSES_MEMBERS);
}

/** Throws as `parseResponsesBody` does. */
export function parsePromptBody(raw: Buffer, maxDepth: number): PromptBody {
  return readJsonBody(raw, maxDepth, promptBody, PROMPT_MEMBERS);
}

/** The client asked to see a summary of the thinking. */
export function thinkingShown({ reasoning }: PromptBody): boolean {
  return Boolean(reasoning?.summary ?? reasoning?.generate_summary);
}

const RESPONSES_MEMBERS = spellingOf(Object.keys(responsesBody.shape));
const PROMPT_MEMBERS = spellingOf(Object.keys(promptBody.shape));
