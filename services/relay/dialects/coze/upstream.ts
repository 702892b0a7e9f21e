import type { UpstreamProtocol } from '../../canonical/crossing.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { parseObject } from '../../wire/json.ts';
import { excerptOf, statedBy } from '../agentAnswer.ts';
import { agentQuery, refused, type AgentQuery, type MediaPart } from '../agentPrompt.ts';
import { CozeDecoder } from './answer.ts';
import { cozeError } from './errors.ts';

/** Coze's chat, version 3, below `https://api.coze.com`; the channel's model is the bot. Always streamed. */
export const cozeProtocol: UpstreamProtocol = {
  ask(prompt, channel) {
    const { session } = prompt;
    const body = {
      bot_id: channel.upstreamModel,
      user_id: prompt.endUser,
      stream: true,
      // What no session can come back to need not be kept.
      auto_save_history: session !== null,
      additional_messages: [{ role: 'user', type: 'question', ...contentOf(agentQuery(prompt)) }],
    };
    const conversation = session?.platformId ? `?conversation_id=${encodeURIComponent(session.platformId)}` : '';
    return {
      method: 'POST',
      path: `/v3/chat${conversation}`,
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: Buffer.from(JSON.stringify(body)),
    };
  },
  decoder: (emit) => new CozeDecoder(emit),
  streams: isEventStream,
  /** Coze answers 200 with a JSON body when it refuses; a chat that was asked for as a stream has no other one. */
  whole(text, emit) {
    const body = parseObject(text);
    const refusal = body !== null && Number(body['code'] ?? 0) !== 0;
    emit({ type: 'failed', error: refusal ? cozeError(body) : excerptOf(text) });
  },
  statedError: (text) => statedBy(text, cozeError),
};

function contentOf({ text, media }: AgentQuery): { content_type: string; content: string } {
  if (media.length === 0) return { content_type: 'text', content: text };
  const parts = [...(text === '' ? [] : [{ type: 'text', text }]), ...media.map(partOf)];
  return { content_type: 'object_string', content: JSON.stringify(parts) };
}

function partOf({ type, source }: MediaPart): unknown {
  if (source.kind === 'providerFile') return { type, file_id: source.id };
  if (source.kind === 'inline') {
    throw refused('Coze reads attachments from addresses or uploads, not inline; give an address.', 'messages');
  }
  if (type === 'audio') throw refused('Coze takes audio as an upload only.', 'messages');
  return { type, file_url: source.url };
}
