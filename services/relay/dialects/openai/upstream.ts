import type { UpstreamProtocol } from '../../canonical/crossing.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { readWholeAnswer } from './answerEvents.ts';
import { ChunkDecoder } from './chunkDecoder.ts';
import { promptBody } from './promptBody.ts';
import { hasRefusedStreamOptions } from './streamOptions.ts';

/** Chat completions, as OpenAI and the many that are like it speak them. */
export const openaiProtocol: UpstreamProtocol = {
  ask(prompt, channel) {
    return {
      method: 'POST',
      path: '/chat/completions',
      headers: {
        'content-type': 'application/json',
        accept: prompt.streamed ? 'text/event-stream' : 'application/json',
      },
      body: Buffer.from(JSON.stringify(promptBody(prompt, channel))),
    };
  },
  decoder: (emit, { quirks }) => new ChunkDecoder(emit, quirks),
  streams: isEventStream,
  whole: (text, emit, { quirks }) => readWholeAnswer(text, emit, quirks),
  learnsFrom: (status, text, { quirks }) => hasRefusedStreamOptions(quirks, status, text),
};
