import type { ClientFace } from '../../call.ts';

/**
 * Google's SDK looks at the beginning of each block and knows an error inside a stream only by a write that is the bare
 * JSON, without `data:`. It drops a block that has a comment before its data, so the comment is a block of its own.
 */
export const GEMINI_SSE_FACE = {
  dialect: 'gemini',
  streamType: 'text/event-stream; charset=utf-8',
  keepAlive: ': ping\r\n\r\n',
  errorEvent: (body: string) => `${body}\r\n\r\n`,
} as const satisfies ClientFace;

/**
 * A stream without `alt=sse` is one JSON array. Its status line waits for the first item, because JSON has no comment to
 * keep it open with; so an error inside it always follows an item.
 */
export const GEMINI_ARRAY_FACE = {
  dialect: 'gemini',
  streamType: null,
  keepAlive: null,
  errorEvent: (body: string) => `,\n${body}]`,
} as const satisfies ClientFace;

/** For answers that are no stream. */
export const GEMINI_WHOLE_FACE: ClientFace = { ...GEMINI_ARRAY_FACE, errorEvent: (body) => body };
