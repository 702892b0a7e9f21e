import { ApiError } from '../../http/errors.ts';
import type { ChatPrompt, MediaSource, Message, Part } from '../canonical/prompt.ts';

export type MediaPart = Extract<Part, { readonly type: 'image' | 'audio' | 'file' }>;

/** A prompt as an agent platform takes it: one text and what is attached to it. */
export interface AgentQuery {
  readonly text: string;
  readonly media: readonly MediaPart[];
}

/**
 * Flattens a prompt into the one query that an agent platform takes.
 *
 * With a session the platform keeps the history, so the query is the texts of the system and the last turn of the user:
 * everything behind the last assistant message. Without one the query is the whole conversation: the texts of the
 * system, a transcript of the earlier turns, then the last turn of the user, parted by blank lines; attachments of
 * earlier turns go along, and the transcript shows where they stood.
 *
 * An agent has its model, its sampling and its limits from its own settings. Dropped: sampling, stop sequences,
 * `reasoning`, `parallelTools`, `maxOutput`, cache marks, and the thinking of earlier answers. Throws ApiError
 * `unsupported_parameter` for tools and their results, an answer format and several answers.
 */
export function agentQuery(prompt: ChatPrompt): AgentQuery {
  refuseUncarried(prompt);
  const lastAnswer = prompt.messages.findLastIndex((message) => message.role !== 'user');
  const turn = prompt.messages.slice(lastAnswer + 1);
  const earlier = prompt.session === null ? prompt.messages.slice(0, lastAnswer + 1) : [];
  const media = [...earlier, ...turn].flatMap((message) => message.parts.filter(isMedia));
  for (const part of media) checkSource(part.source, prompt.session !== null);
  const texts = [
    ...prompt.system.map((part) => part.text),
    transcript(earlier),
    ...turn.map((message) => textOf(message)),
  ];
  const text = texts.filter((piece) => piece.trim() !== '').join('\n\n');
  if (turn.length === 0) throw refused('A conversation with an agent must end with a message of the user.', 'messages');
  if (text === '' && media.length === 0) {
    throw new ApiError('invalid_request', { detail: 'messages: nothing is asked', param: 'messages' });
  }
  return { text, media };
}

/** What an agent platform cannot take. */
export function refused(detail: string, param: string): ApiError {
  return new ApiError('unsupported_parameter', { detail, param });
}

function refuseUncarried(prompt: ChatPrompt): void {
  if (prompt.tools.length > 0) throw refused('An agent has its own tools and takes no others.', 'tools');
  if (prompt.format !== null) throw refused('An agent cannot be told the format of its answer.', 'response_format');
  if (prompt.choices > 1) throw refused('An agent gives one answer.', 'n');
  const usesTools = prompt.messages.some(
    ({ role, parts }) => role === 'tool' || parts.some(({ type }) => type === 'toolCall' || type === 'toolResult'),
  );
  if (usesTools) throw refused('An agent cannot be told of calls of tools that are not its own.', 'messages');
}

/** A platform's file may be named only by a call with a session, whose files were looked up in its own account. */
function checkSource(source: MediaSource, ofSession: boolean): void {
  if (source.kind === 'providerFile' && !ofSession) {
    throw refused('A file of another provider cannot be read by an agent.', 'messages');
  }
  if (source.kind === 'url' && !/^https?:\/\//i.test(source.url)) {
    throw refused('An agent reads attachments from http and https addresses only.', 'messages');
  }
}

function transcript(messages: readonly Message[]): string {
  return messages
    .map((message) => ({ speaker: message.role === 'user' ? 'User' : 'Assistant', text: textOf(message, true) }))
    .filter(({ text }) => text.trim() !== '')
    .map(({ speaker, text }) => `${speaker}: ${text}`)
    .join('\n\n');
}

function textOf(message: Message, marksMedia = false): string {
  return message.parts
    .map((part) => {
      if (part.type === 'text' || part.type === 'refusal') return part.text;
      return marksMedia && isMedia(part) ? `[${part.type}]` : '';
    })
    .filter((text) => text !== '')
    .join('\n');
}

function isMedia(part: Part): part is MediaPart {
  return part.type === 'image' || part.type === 'audio' || part.type === 'file';
}
