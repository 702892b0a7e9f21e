import type { ClientFace } from '../../call.ts';
import { asciiJson } from './asciiJson.ts';

/** AI Hub frames its streams as OpenAI does, and has errors of its own. */
export const HUB_FACE: ClientFace = {
  dialect: 'aihub',
  streamType: 'text/event-stream; charset=utf-8',
  keepAlive: ': ping\n\n',
  errorEvent: (body) => `data: ${asciiJson(body)}\n\n`,
};
