import type { ClientFace } from '../../call.ts';

/**
 * Google's SDK looks at the beginning of each block and knows an error inside a stream only by a write that is the bare
 * JSON, without `data:`. It drops a block that has a comment before its data, so the comment is a block of its own.
 */
export const GEMINI_SSE_FACE: ClientFace = {
  dialect: 'gemini',
  streamType: 'text/event-stream; charset=utf-8',
  keepAlive: ': ping\r\n\r\n',
  errorEvent: (body) => `${body}\r\n\r\n`,
};

/**
 * A stream without `alt=sse` is one JSON array. Its status line waits for the first item, because JSON has no comment to
 * keep it open with; so an error inside it always follows an item.
 */
export const GEMINI_ARRAY_FACE: ClientFace = {
  dialect: 'gemini',
  streamType: null,
  keepAlive: null,
  errorEvent: (body) => `,\n${body}]`,
};

/** For answers that are no stream. */
export const GEMINI_WHOLE_FACE: ClientFace = { ...GEMINI_ARRAY_FACE, errorEvent: (body) => body };
