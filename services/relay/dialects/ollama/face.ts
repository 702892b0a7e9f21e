import type { ClientFace } from '../../call.ts';

/** Newline-delimited JSON has no comment, so a silent stream stays silent. */
export const OLLAMA_FACE: ClientFace = {
  dialect: 'ollama',
  streamType: 'application/x-ndjson',
  keepAlive: null,
  errorEvent: (body) => `${body}\n`,
};
