import type { ClientFace } from '../../call.ts';

/** OpenAI's clients read nameless events; the official ones throw on an event whose data has an `error`. */
export const OPENAI_FACE: ClientFace = {
  dialect: 'openai',
  streamType: 'text/event-stream; charset=utf-8',
  keepAlive: ': ping\n\n',
  errorEvent: (body) => `data: ${body}\n\n`,
};
