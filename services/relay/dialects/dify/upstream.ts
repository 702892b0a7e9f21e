import { difyError } from './errors.ts';
import { statedBy } from '../agentAnswer.ts';
import type { UpstreamProtocol } from '../../canonical/crossing.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { agentQuery, refused, type MediaPart } from '../agentPrompt.ts';
import { DifyDecoder } from './answer.ts';
import { readWhole } from './wholeAnswer.ts';

/**
 * Dify's chat messages below `https://host/v1`. The channel's key chooses the app. Always streamed: agents refuse
 * `blocking`, and Dify's own proxy cuts it after 100 s.
 */
export const difyProtocol: UpstreamProtocol = {
  ask(prompt) {
    const { text, media } = agentQuery(prompt);
    const body = {
      query: text,
      inputs: {},
      user: prompt.endUser,
      response_mode: 'streaming',
      // A name for the conversation would cost a call of a model.
      auto_generate_name: false,
      ...(prompt.session?.platformId && { conversation_id: prompt.session.platformId }),
      ...(media.length > 0 && { files: media.map(fileOf) }),
    };
    return {
      method: 'POST',
      path: '/chat-messages',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: Buffer.from(JSON.stringify(body)),
    };
  },
  decoder: (emit, _channel, endUser) => new DifyDecoder(emit, endUser ?? null),
  streams: isEventStream,
  whole: (text, emit) => readWhole(text, emit),
  statedError: (text) => statedBy(text, difyError),
};

function fileOf(part: MediaPart): unknown {
  const { source } = part;
  const type = kindOf(part);
  if (source.kind === 'inline') {
    throw refused('Dify reads attachments from addresses or uploads, not inline; give an address.', 'messages');
  }
  return source.kind === 'url'
    ? { type, transfer_method: 'remote_url', url: source.url }
    : { type, transfer_method: 'local_file', upload_file_id: source.id };
}

function kindOf(part: MediaPart): 'image' | 'audio' | 'video' | 'document' {
  if (part.type !== 'file') return part.type;
  const mime = part.source.kind === 'url' ? (part.source.mime ?? '') : '';
  for (const kind of ['image', 'audio', 'video'] as const) if (mime.startsWith(`${kind}/`)) return kind;
  return 'document';
}
