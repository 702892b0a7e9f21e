import { ApiError } from '../../../http/errors.ts';
import type { ChatPrompt, MediaSource, Message, Part, ToolCallPart, ToolResultPart } from '../../canonical/prompt.ts';
import { parseObject, type Json } from '../../wire/json.ts';

/** What Ollama keeps of the parts of one message. */
interface Contents {
  readonly texts: string[];
  readonly images: string[];
  readonly thinking: string[];
  readonly calls: Json[];
}

/**
 * The messages of a prompt for `/api/chat`: all instructions first as one system message, each tool result as a message
 * of its own before what else its turn holds. Dropped, for Ollama has no place for them: cache marks, signatures and
 * redacted thinking, the detail of an image, and the mark of a tool result that it is an error (its text stays).
 * Throws ApiError for audio, files, images that are not inline, arguments that are no JSON object, a tool result whose
 * function nobody knows, and a prompt without content, which Ollama takes as the wish to load a model.
 */
export function ollamaMessages(prompt: ChatPrompt): readonly Json[] {
  const names = new Map<string, string>();
  const messages: Json[] = [];
  const system = prompt.system.map(({ text }) => text).filter((text) => text !== '');
  if (system.length > 0) messages.push({ role: 'system', content: system.join('\n\n') });
  for (const message of prompt.messages) {
    for (const part of message.parts) if (part.type === 'toolCall') names.set(part.id, part.name);
    messages.push(...messagesOf(message, names));
  }
  if (messages.length === 0) {
    throw new ApiError('invalid_request', { detail: 'messages: there is no content in them', param: 'messages' });
  }
  return messages;
}

function messagesOf({ role, parts }: Message, names: ReadonlyMap<string, string>): Json[] {
  const results = parts.filter((part) => part.type === 'toolResult').map((part) => resultMessage(part, names));
  const rest = contentsOf(parts.filter((part) => part.type !== 'toolResult'));
  const empty = Object.values(rest).every((list: readonly unknown[]) => list.length === 0);
  return empty ? results : [...results, { role: role === 'tool' ? 'user' : role, ...membersOf(rest) }];
}

function resultMessage(part: ToolResultPart, names: ReadonlyMap<string, string>): Json {
  const name = part.name ?? names.get(part.callId);
  if (name === undefined) {
    throw new ApiError('invalid_request', {
      detail: `messages: the tool result "${part.callId.slice(0, 100)}" belongs to no earlier tool call`,
      param: 'messages',
    });
  }
  return { role: 'tool', ...membersOf(contentsOf(part.parts)), tool_name: name, tool_call_id: part.callId };
}

function membersOf({ texts, images, thinking, calls }: Contents): Json {
  return {
    content: texts.join('\n'),
    ...(thinking.length > 0 && { thinking: thinking.join('\n') }),
    ...(images.length > 0 && { images }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function contentsOf(parts: readonly Part[]): Contents {
  const contents: Contents = { texts: [], images: [], thinking: [], calls: [] };
  for (const part of parts) collect(part, contents);
  return contents;
}

function collect(part: Part, contents: Contents): void {
  switch (part.type) {
    case 'text':
    case 'refusal':
      if (part.text !== '') contents.texts.push(part.text);
      return;
    case 'thinking':
      if (part.text !== '') contents.thinking.push(part.text);
      return;
    case 'image':
      contents.images.push(inlineData(part.source));
      return;
    case 'toolCall':
      contents.calls.push(callOf(part));
      return;
    case 'toolResult':
      throw new ApiError('invalid_request', { detail: 'messages: a tool result inside another', param: 'messages' });
    case 'audio':
    case 'file':
      throw unsupported(part.type === 'audio' ? 'takes no audio' : 'takes no files');
    case 'redactedThinking':
      return;
  }
}

function callOf({ id, name, arguments: text }: ToolCallPart): Json {
  const input = parseObject(text.trim() === '' ? '{}' : text);
  if (!input) {
    throw new ApiError('invalid_request', {
      detail: `messages: the arguments of the tool call "${name.slice(0, 100)}" are not a JSON object`,
      param: 'messages',
    });
  }
  return { id, function: { name, arguments: input } };
}

function inlineData(source: MediaSource): string {
  switch (source.kind) {
    case 'inline':
      return source.data;
    case 'url':
      throw unsupported('does not fetch images from URLs; send them inline');
    case 'providerFile':
      throw unsupported('cannot read files that lie with another provider');
  }
}

function unsupported(what: string): ApiError {
  return new ApiError('unsupported_parameter', { detail: `The provider of this model ${what}.`, param: 'messages' });
}
