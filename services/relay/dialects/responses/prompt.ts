import { z } from 'zod';
import type { AnswerFormat, ChatPrompt, Reasoning } from '../../canonical/prompt.ts';
import { checked, notCarried } from './checked.ts';
import { thinkingShown, type PromptBody } from './request.ts';
import { readTools } from './tools.ts';
import { continued, NO_TURNS, type Turns } from './turns.ts';

const schemaFormat = z.looseObject({
  name: z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -'),
  schema: z.record(z.string(), z.unknown()),
  strict: z.boolean().nullish(),
});

/**
 * The prompt of a request that follows the `earlier` turns of the response it names. Throws ApiError `invalid_request`
 * or `unsupported_parameter`.
 *
 * Dropped, because other providers have no word for them and an answer without them is no other answer:
 * `text.verbosity`, `service_tier`, `metadata`, `user`, `safety_identifier`, prompt cache members, `stream_options`,
 * `max_tool_calls` (it counts OpenAI's own tools), `truncation: auto` (the response says `disabled`), the reasoning
 * members besides effort and summary, and of `include` all but log probabilities: encrypted reasoning is never given,
 * and the rest belongs to OpenAI's own tools.
 */
export function responsesPrompt(body: PromptBody, earlier: Turns = NO_TURNS): ChatPrompt {
  return promptOf(body, turnsOf(body, earlier));
}

/** The conversation up to the answer: what a stored response is continued from, once the answer is added. */
export function turnsOf(body: PromptBody, earlier: Turns): Turns {
  return continued(earlier, body.input ?? []);
}

/** Throws as `responsesPrompt` does. */
export function promptOf(body: PromptBody, turns: Turns): ChatPrompt {
  refuseWhatIsNotCarried(body);
  const { tools, toolChoice } = readTools(body);
  const instructions = body.instructions ? [{ type: 'text' as const, text: body.instructions }] : [];
  return {
    system: [...instructions, ...turns.system],
    messages: turns.messages,
    tools,
    toolChoice,
    parallelTools: body.parallel_tool_calls ?? null,
    sampling: {
      temperature: body.temperature ?? null,
      topP: body.top_p ?? null,
      topK: null,
      presencePenalty: null,
      frequencyPenalty: null,
      seed: null,
      stop: [],
    },
    format: readFormat(body),
    reasoning: readReasoning(body),
    maxOutput: body.max_output_tokens ?? null,
    choices: 1,
    streamed: body.stream === true,
    session: null,
  };
}

function refuseWhatIsNotCarried(body: PromptBody): void {
  if (body.background === true) throw notCarried('background', 'calls cannot run in the background');
  if (body.top_logprobs) throw notCarried('top_logprobs', 'log probabilities are not given');
  if (body.include?.includes('message.output_text.logprobs')) {
    throw notCarried('include', 'log probabilities are not given');
  }
  for (const [member, what] of KEPT_BY_OPENAI) {
    if (isGiven(body[member])) throw notCarried(member, what);
  }
}

/** Members that need what only OpenAI keeps or runs. */
const KEPT_BY_OPENAI = [
  ['conversation', 'conversations are not stored; send the items or previous_response_id'],
  ['prompt', 'prompt templates are not stored; send instructions and input'],
  ['context_management', 'the input is never compacted'],
  ['moderation', 'answers are not moderated on request'],
] as const;

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
}

function readFormat({ text }: PromptBody): AnswerFormat | null {
  const format = text?.format;
  switch (format?.type) {
    case undefined:
    case 'text':
      return null;
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema': {
      const { name, schema, strict = null } = checked(format, schemaFormat, 'text.format');
      return { kind: 'schema', name, schema, strict };
    }
    default:
      throw notCarried('text.format.type', 'must be text, json_object or json_schema');
  }
}

function readReasoning(body: PromptBody): Reasoning | null {
  const effort = body.reasoning?.effort ?? null;
  const shown = thinkingShown(body);
  return effort === null && !shown ? null : { effort, budgetTokens: null, shown };
}
