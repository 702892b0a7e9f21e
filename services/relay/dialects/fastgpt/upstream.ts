import { fastgptError } from './errors.ts';
import { statedBy } from '../agentAnswer.ts';
import type { UpstreamProtocol } from '../../canonical/crossing.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { agentQuery, refused, type AgentQuery, type MediaPart } from '../agentPrompt.ts';
import { FastgptDecoder, readWhole } from './answer.ts';

/**
 * FastGPT's chat completions below `https://host/api`. The channel's key chooses the app, which ignores models and
 * sampling. Always streamed and with details, because only its details have the tokens.
 */
export const fastgptProtocol: UpstreamProtocol = {
  ask(prompt) {
    const query = agentQuery(prompt);
    const body = {
      // Without a chat FastGPT keeps nothing, and the message is the whole context.
      ...(prompt.session && { chatId: prompt.session.platformId ?? prompt.session.id }),
      stream: true,
      detail: true,
      customUid: prompt.endUser,
      variables: { uid: prompt.endUser },
      messages: [{ role: 'user', content: contentOf(query) }],
    };
    return {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: Buffer.from(JSON.stringify(body)),
    };
  },
  decoder: (emit) => new FastgptDecoder(emit),
  streams: isEventStream,
  whole: (text, emit) => readWhole(text, emit),
  statedError: (text) => statedBy(text, fastgptError),
};

function contentOf({ text, media }: AgentQuery): unknown {
  if (media.length === 0) return text;
  return [...(text === '' ? [] : [{ type: 'text', text }]), ...media.map(partOf)];
}

/** It has no uploads, so files must lie at an address; images may be inline. */
function partOf({ source, ...part }: MediaPart): unknown {
  if (part.type === 'audio') throw refused('FastGPT takes no audio.', 'messages');
  if (source.kind === 'providerFile') throw refused('FastGPT has no files of its own; give an address.', 'messages');
  if (part.type === 'image') {
    const url = source.kind === 'url' ? source.url : `data:${source.mime};base64,${source.data}`;
    return { type: 'image_url', image_url: { url } };
  }
  if (source.kind === 'inline') throw refused('FastGPT reads files from addresses only, not inline.', 'messages');
  return { type: 'file_url', name: part.name ?? nameIn(source.url), url: source.url };
}

/** FastGPT tells the kind of a file by its name. */
function nameIn(url: string): string {
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '');
  return path.slice(path.lastIndexOf('/') + 1) || 'file';
}
