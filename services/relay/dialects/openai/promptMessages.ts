import { ApiError } from '../../../http/errors.ts';
import type { ChatPrompt, MediaSource, Message, Part, TextPart, ToolCallPart } from '../../canonical/prompt.ts';
import type { Json } from '../../wire/json.ts';
import { legalCallId } from './answerIds.ts';
import { asDataUri } from '../../wire/dataUri.ts';

type ResultPart = Extract<Part, { type: 'toolResult' }>;

/** The formats of `input_audio`. */
const AUDIO_FORMATS: Readonly<Record<string, string>> = {
  'audio/wav': 'wav',
  'audio/wave': 'wav',
  'audio/x-wav': 'wav',
  'audio/mp3': 'mp3',
  'audio/mpeg': 'mp3',
};

/**
 * The messages of a chat body: instructions first, tool results before what else their turn says, and images of tool
 * results in a user message, because a tool message has only text. Throws ApiError `unsupported_parameter` for files
 * that lie with another provider and for media that the dialect has no part for.
 *
 * Dropped: cache marks; thinking with its signatures, which only the model that made it could check; thought signatures
 * of tool calls; that a result is an error, which its text says.
 */
export function promptMessages(prompt: ChatPrompt): Json[] {
  const messages: Json[] = [];
  // Servers that know the developer role take `system` as well, and the others take nothing else.
  if (prompt.system.length > 0) messages.push({ role: 'system', content: textsOf(prompt.system).join('\n\n') });
  // Every result of a turn must come before anything else does, so what else they hold waits for the last of them.
  let waiting: Json[] = [];
  const flush = (more: readonly Json[]): void => {
    if (waiting.length + more.length > 0) messages.push({ role: 'user', content: userContent([...waiting, ...more]) });
    waiting = [];
  };
  for (const message of prompt.messages) {
    if (message.role === 'assistant') {
      flush([]);
      messages.push(...assistantMessages(message));
      continue;
    }
    const results = message.parts.filter((part) => part.type === 'toolResult');
    for (const result of results) {
      messages.push({ role: 'tool', tool_call_id: legalCallId(result.callId), content: resultText(result) });
      waiting.push(...result.parts.filter((part) => part.type !== 'text').flatMap(userPart));
    }
    const others = message.parts.filter((part) => part.type !== 'toolResult').flatMap(userPart);
    if (message.role === 'user') flush(others);
    else waiting.push(...others);
  }
  flush([]);
  return messages;
}

/** Servers that know no parts still take a lone text. */
function userContent(parts: readonly Json[]): unknown {
  const [first] = parts;
  return parts.length === 1 && first?.['type'] === 'text' ? first['text'] : parts;
}

function resultText({ parts, isError }: ResultPart): string {
  return textsOf(parts).join('\n') || (isError ? 'The tool failed.' : '');
}

/** None for a turn of nothing but thinking. A refusal is what the assistant said, so it goes as text. */
function assistantMessages({ parts }: Message): Json[] {
  const media = parts.find(({ type }) => type === 'image' || type === 'audio' || type === 'file');
  if (media)
    throw unsupported(`An earlier answer holds ${media.type} data, which this model's provider cannot take back.`);
  const text = parts.map((part) => (part.type === 'text' || part.type === 'refusal' ? part.text : '')).join('');
  const calls = parts.filter((part) => part.type === 'toolCall').map(toolCall);
  if (calls.length === 0) return text === '' ? [] : [{ role: 'assistant', content: text }];
  return [{ role: 'assistant', content: text === '' ? null : text, tool_calls: calls }];
}

function toolCall({ id, name, arguments: json }: ToolCallPart): Json {
  return { id: legalCallId(id), type: 'function', function: { name, arguments: json } };
}

function userPart(part: Part): Json[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }];
    case 'image': {
      const image = { url: mediaUrl(part.source), ...(part.detail !== null && { detail: part.detail }) };
      return [{ type: 'image_url', image_url: image }];
    }
    case 'audio':
      return [{ type: 'input_audio', input_audio: audio(part.source) }];
    case 'file':
      return [file(part.source, part.name)];
    case 'toolCall':
    case 'toolResult':
      throw unsupported('A tool call or result stands where a user speaks.');
    case 'thinking':
    case 'redactedThinking':
      return [];
  }
}

function mediaUrl(source: MediaSource): string {
  if (source.kind === 'providerFile') throw foreignFile();
  return source.kind === 'url' ? source.url : asDataUri(source);
}

function audio(source: MediaSource): Json {
  if (source.kind === 'providerFile') throw foreignFile();
  const format = source.kind === 'inline' ? AUDIO_FORMATS[source.mime] : undefined;
  if (source.kind !== 'inline' || format === undefined)
    throw unsupported('The provider of this model takes audio only inline, as WAV or MP3.');
  return { data: source.data, format };
}

/** A file part wants a name; a text file is just text. */
function file(source: MediaSource, name: string | null): Json {
  if (source.kind === 'providerFile') throw foreignFile();
  if (source.kind === 'url') throw unsupported('The provider of this model takes files only inline, not by URL.');
  if (source.mime.startsWith('text/'))
    return { type: 'text', text: Buffer.from(source.data, 'base64').toString('utf8') };
  const filename = name ?? (source.mime === 'application/pdf' ? 'document.pdf' : 'document');
  return { type: 'file', file: { filename, file_data: asDataUri(source) } };
}

function textsOf(parts: readonly Part[]): string[] {
  return parts.filter((part): part is TextPart => part.type === 'text').map(({ text }) => text);
}

function foreignFile(): ApiError {
  return unsupported('A file that lies with one provider cannot be read by the provider of this model.');
}

function unsupported(detail: string): ApiError {
  return new ApiError('unsupported_parameter', { detail, param: 'messages' });
}
