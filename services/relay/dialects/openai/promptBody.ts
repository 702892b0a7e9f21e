import { JSON_ONLY } from '../../canonical/jsonOnly.ts';
import type { AskedPrompt } from '../../canonical/crossing.ts';
import type { AnswerFormat, ChatPrompt, Reasoning, Tool, ToolChoice } from '../../canonical/prompt.ts';
import type { Channel } from '../../ports.ts';
import type { Json } from '../../wire/json.ts';
import { promptMessages } from './promptMessages.ts';
import { takesStreamOptions } from './streamOptions.ts';

/** OpenAI takes no more. */
const MAX_STOPS = 4;

/** Thinking tokens up to which an effort is meant by a budget; what is larger is high. */
const LOW_BUDGET_TOKENS = 2_048;
const MEDIUM_BUDGET_TOKENS = 8_192;

/**
 * The body of a chat call by the channel's quirks. Throws ApiError `unsupported_parameter` for what its messages cannot
 * carry. Dropped: `topK`, which OpenAI does not know; stops beyond the fourth; the end user; the wish for parallel calls
 * or none where the channel has no word for it; everything that the channel strips. Added: the word JSON, without which
 * OpenAI gives no JSON that has no schema.
 */
export function promptBody(prompt: AskedPrompt, { upstreamModel, quirks }: Channel): Json {
  const { sampling, tools, choices } = prompt;
  const body: Json = {
    model: upstreamModel,
    messages: promptMessages(lacksWord(prompt) ? { ...prompt, system: [...prompt.system, JSON_ONLY] } : prompt),
    stream: prompt.streamed,
    stream_options: prompt.streamed && takesStreamOptions(quirks) ? { include_usage: true } : null,
    n: choices > 1 ? choices : null,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    seed: sampling.seed,
    stop: sampling.stop.length > 0 ? sampling.stop.slice(0, MAX_STOPS) : null,
    response_format: prompt.format && responseFormat(prompt.format),
    reasoning_effort: prompt.reasoning && effort(prompt.reasoning),
  };
  if (tools.length > 0) {
    body['tools'] = tools.map(tool);
    body['tool_choice'] = prompt.toolChoice && toolChoice(prompt.toolChoice);
    body['parallel_tool_calls'] = quirks.supportsParallelTools ? prompt.parallelTools : null;
  }
  for (const field of quirks.stripsParams) body[field] = null;
  body[quirks.maxTokensField] = prompt.maxOutput;
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

function lacksWord({ format, system, messages }: ChatPrompt): boolean {
  if (format?.kind !== 'json') return false;
  const said = [...system, ...messages.flatMap(({ parts }) => parts)];
  return !said.some((part) => part.type === 'text' && /json/i.test(part.text));
}

function tool({ name, description, parameters, strict }: Tool): Json {
  return {
    type: 'function',
    function: {
      name,
      ...(description !== null && { description }),
      ...(parameters !== null && { parameters }),
      ...(strict !== null && { strict }),
    },
  };
}

function toolChoice(choice: ToolChoice): unknown {
  return choice.kind === 'tool' ? { type: 'function', function: { name: choice.name } } : choice.kind;
}

function responseFormat(format: AnswerFormat): Json {
  if (format.kind === 'json') return { type: 'json_object' };
  const { name, schema, strict } = format;
  return { type: 'json_schema', json_schema: { name, schema, ...(strict !== null && { strict }) } };
}

/**
 * A client that only says that the model shall think leaves the amount to it. That it shall not is left out: models that
 * can do without do so unless told otherwise, and the others refuse the word.
 */
function effort({ effort: stated, budgetTokens }: Reasoning): string | null {
  if (stated === 'none') return null;
  if (stated !== null) return stated;
  if (budgetTokens === null) return 'medium';
  if (budgetTokens <= 0) return null;
  if (budgetTokens <= LOW_BUDGET_TOKENS) return 'low';
  return budgetTokens <= MEDIUM_BUDGET_TOKENS ? 'medium' : 'high';
}
