import { ApiError } from '../../../http/errors.ts';
import type { AnswerFormat, ChatPrompt, Message, Part, Reasoning, Sampling, Tool } from '../../canonical/prompt.ts';
import { imagePart } from './images.ts';
import type { OllamaChatBody, OllamaChatRequest, OllamaGenerateRequest, OllamaMessage } from './request.ts';
import { withOuterImages } from './outerImages.ts';
import { ToolCallIds } from './toolCallIds.ts';

/**
 * A conversation on its way to an upstream that is no Ollama server. Dropped, because they steer the server that runs a
 * model: `keep_alive`, `truncate`, `shift`, and the options beside limit, temperature, top-p, top-k, penalties, seed and
 * stop. Messages without content are left out. Throws ApiError for `logprobs`, tools that are no functions, images of
 * unknown kind, and tool results that answer no call.
 */
export function chatPrompt({ body, streamed, maxOutput }: OllamaChatRequest): ChatPrompt {
  refuseLogprobs(body.logprobs);
  const spoken = withOuterImages(body);
  const ids = new ToolCallIds(spoken);
  const system = spoken.filter(({ role, content }) => role === 'system' && content);
  return {
    ...settingsOf(body),
    system: system.map(({ content }) => ({ type: 'text', text: content ?? '' })),
    messages: spoken.map((message) => messageOf(message, ids)).filter(({ parts }) => parts.length > 0),
    tools: (body.tools ?? []).map(toolOf),
    maxOutput,
    streamed,
  };
}

/** The same for a single prompt. What only an Ollama server can do, raw prompts, templates and the like, is refused. */
export function generatePrompt({ body, streamed, maxOutput }: OllamaGenerateRequest): ChatPrompt {
  refuseLogprobs(body.logprobs);
  if (body.raw) throw onlyOllama('raw');
  if (body.suffix) throw onlyOllama('suffix');
  if (body.template) throw onlyOllama('template');
  if (body.context?.length) throw onlyOllama('context');
  const parts: Part[] = [{ type: 'text', text: body.prompt }, ...(body.images ?? []).map(imagePart)];
  return {
    ...settingsOf(body),
    system: body.system ? [{ type: 'text', text: body.system }] : [],
    messages: [{ role: 'user', parts }],
    tools: [],
    maxOutput,
    streamed,
  };
}

function settingsOf(body: Pick<OllamaChatBody, 'options' | 'format' | 'think'>) {
  return {
    sampling: samplingOf(body.options ?? {}),
    format: formatOf(body.format),
    reasoning: reasoningOf(body.think),
    toolChoice: null,
    parallelTools: null,
    choices: 1,
    session: null,
  };
}

/** Instructions are kept apart, and leave nothing here. */
function messageOf(message: OllamaMessage, ids: ToolCallIds): Message {
  const images = (message.images ?? []).map(imagePart);
  const text: Part[] = message.content ? [{ type: 'text', text: message.content }] : [];
  switch (message.role) {
    case 'system':
      if (images.length > 0) throw invalid('images belong to a message of a user');
      return { role: 'user', parts: [] };
    case 'user':
      return { role: 'user', parts: [...text, ...images] };
    case 'assistant': {
      const thinking: Part[] = message.thinking ? [{ type: 'thinking', text: message.thinking, signature: null }] : [];
      return { role: 'assistant', parts: [...thinking, ...text, ...images, ...callsOf(message, ids)] };
    }
    case 'tool': {
      const { id, name } = ids.answered(message);
      const parts = [...text, ...images];
      return { role: 'tool', parts: [{ type: 'toolResult', callId: id, name, parts, isError: false }] };
    }
  }
}

function callsOf({ tool_calls: calls }: OllamaMessage, ids: ToolCallIds): Part[] {
  return (calls ?? []).map(({ id, function: { name, arguments: input } }) => ({
    type: 'toolCall',
    id: ids.called(id ?? null, name),
    name,
    arguments: JSON.stringify(input ?? {}),
  }));
}

function toolOf({
  type,
  function: { name, description, parameters },
}: NonNullable<OllamaChatBody['tools']>[number]): Tool {
  if (type && type !== 'function') {
    throw new ApiError('unsupported_parameter', { detail: 'tools: only functions can be offered', param: 'tools' });
  }
  return { name, description: description ?? null, parameters: parameters ?? null, strict: null };
}

/** A top-k of 0 or less and a negative seed are Ollama's words for "none". */
function samplingOf(options: NonNullable<OllamaChatBody['options']>): Sampling {
  return {
    temperature: options.temperature ?? null,
    topP: options.top_p ?? null,
    topK: options.top_k && options.top_k > 0 ? options.top_k : null,
    presencePenalty: options.presence_penalty ?? null,
    frequencyPenalty: options.frequency_penalty ?? null,
    seed: typeof options.seed === 'number' && options.seed >= 0 ? options.seed : null,
    stop: options.stop ?? [],
  };
}

function formatOf(format: OllamaChatBody['format']): AnswerFormat | null {
  if (!format) return null;
  return format === 'json' ? { kind: 'json' } : { kind: 'schema', name: 'answer', schema: format, strict: null };
}

function reasoningOf(think: OllamaChatBody['think']): Reasoning | null {
  if (think === null || think === undefined) return null;
  if (think === true) return { effort: null, budgetTokens: null, shown: true };
  return { effort: think === false ? 'none' : think, budgetTokens: null, shown: think !== false };
}

function refuseLogprobs(logprobs: boolean | null | undefined): void {
  if (logprobs) throw onlyOllama('logprobs');
}

function onlyOllama(param: string): ApiError {
  return new ApiError('unsupported_parameter', { detail: `${param}: only an Ollama server can take this`, param });
}

function invalid(what: string): ApiError {
  return new ApiError('invalid_request', { detail: `messages: ${what}`, param: 'messages' });
}
