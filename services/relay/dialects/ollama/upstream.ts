import { ApiError } from '../../../http/errors.ts';
import type { AskedPrompt, UpstreamProtocol } from '../../canonical/crossing.ts';
import type { AnswerFormat, Reasoning, Tool } from '../../canonical/prompt.ts';
import type { ResponseHeaders, UpstreamRequest } from '../../call.ts';
import { contentTypeIn } from '../../wire/contentType.ts';
import type { Json } from '../../wire/json.ts';
import { JsonLines } from '../../wire/jsonLines.ts';
import { AnswerLines, linesOfWhole } from './answerLines.ts';
import { ollamaMessages } from './upstreamMessages.ts';

/** A base URL is the root of the server. */
export const ollamaProtocol: UpstreamProtocol = {
  ask: (prompt, channel) => ollamaRequest('/api/chat', chatBody(prompt, channel.upstreamModel), prompt.streamed),
  decoder(emit) {
    const lines = new AnswerLines(emit);
    return new JsonLines({ line: (json) => lines.take(json), fault: (message) => lines.fault(message) });
  },
  streams: isLineStream,
  whole(text, emit) {
    const lines = new AnswerLines(emit);
    const found = linesOfWhole(text);
    if (found) for (const { json } of found) lines.take(json);
    else lines.fail(text);
  },
};

export function ollamaRequest(path: '/api/chat' | '/api/generate', body: Json | Buffer, streamed: boolean) {
  return {
    method: 'POST',
    path,
    headers: {
      'content-type': 'application/json',
      accept: streamed ? 'application/x-ndjson' : 'application/json',
    },
    body: Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)),
  } as const satisfies UpstreamRequest;
}

/** Newline-delimited JSON, in any of the names that it goes by. */
export function isLineStream(headers: ResponseHeaders): boolean {
  return /ndjson|jsonl/.test(contentTypeIn(headers));
}

/**
 * The body for `/api/chat`. `stream` is stated always, because it is true where it is not. Dropped: `strict` of a tool.
 * Throws ApiError for what Ollama would ignore although the client relies on it: a tool that must be called, at most
 * one call, several answers; and for what `ollamaMessages` refuses.
 */
function chatBody(prompt: AskedPrompt, model: string): Json {
  refuseIgnored(prompt);
  const tools = prompt.toolChoice?.kind === 'none' ? [] : prompt.tools;
  const think = prompt.reasoning ? thinkOf(prompt.reasoning) : null;
  return {
    model,
    messages: ollamaMessages(prompt),
    stream: prompt.streamed,
    options: optionsOf(prompt),
    ...(tools.length > 0 && { tools: tools.map(toolOf) }),
    ...(prompt.format && { format: formatOf(prompt.format) }),
    ...(think !== null && { think }),
  };
}

function refuseIgnored({ toolChoice, parallelTools, tools, choices }: AskedPrompt): void {
  if (toolChoice?.kind === 'required' || toolChoice?.kind === 'tool') {
    throw unsupported('tool_choice', 'cannot be made to call a tool');
  }
  if (parallelTools === false && tools.length > 0 && toolChoice?.kind !== 'none') {
    throw unsupported('parallel_tool_calls', 'cannot be kept to one tool call');
  }
  if (choices > 1) throw unsupported('n', 'gives one answer per call');
}

function unsupported(param: string, what: string): ApiError {
  return new ApiError('unsupported_parameter', { detail: `${param}: the provider of this model ${what}`, param });
}

function optionsOf({ sampling, maxOutput }: AskedPrompt): Json {
  const { temperature, topP, topK, presencePenalty, frequencyPenalty, seed, stop } = sampling;
  return {
    num_predict: maxOutput,
    ...(temperature !== null && { temperature }),
    ...(topP !== null && { top_p: topP }),
    ...(topK !== null && { top_k: topK }),
    ...(presencePenalty !== null && { presence_penalty: presencePenalty }),
    ...(frequencyPenalty !== null && { frequency_penalty: frequencyPenalty }),
    ...(seed !== null && { seed }),
    ...(stop.length > 0 && { stop }),
  };
}

function toolOf({ name, description, parameters }: Tool): Json {
  return {
    type: 'function',
    function: {
      name,
      ...(description !== null && { description }),
      parameters: parameters ?? { type: 'object', properties: {} },
    },
  };
}

function formatOf(format: AnswerFormat): unknown {
  return format.kind === 'json' ? 'json' : format.schema;
}

const THINK_OF_EFFORT = {
  none: false,
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'max',
  max: 'max',
} as const;

/** Ollama knows levels, no budgets. A negative budget is Gemini's word for "as you like". Null: the model's own way. */
function thinkOf({ effort, budgetTokens, shown }: Reasoning): boolean | string | null {
  if (effort !== null) return THINK_OF_EFFORT[effort];
  if (budgetTokens === null) return shown ? true : null;
  if (budgetTokens < 0) return true;
  if (budgetTokens === 0) return false;
  if (budgetTokens <= 2_048) return 'low';
  return budgetTokens <= 8_192 ? 'medium' : 'high';
}
