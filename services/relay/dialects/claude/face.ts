import type { ClientFace } from '../../call.ts';

/** One event as Claude's clients need it: their official libraries skip an event that has no name. */
export function claudeEvent(type: string, json: string): string {
  return `event: ${type}\ndata: ${json}\n\n`;
}

export const EVENT_STREAM = 'text/event-stream; charset=utf-8';

export const CLAUDE_FACE: ClientFace = {
  dialect: 'claude',
  streamType: EVENT_STREAM,
  keepAlive: claudeEvent('ping', '{"type":"ping"}'),
  errorEvent: (body) => claudeEvent('error', body),
};
