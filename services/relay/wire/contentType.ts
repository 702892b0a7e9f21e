import type { ResponseHeaders } from '../call.ts';

export function contentTypeIn(headers: ResponseHeaders): string {
  const stated = headers['content-type'];
  return typeof stated === 'string' ? stated.toLowerCase() : '';
}

export function isEventStream(headers: ResponseHeaders): boolean {
  return contentTypeIn(headers).includes('text/event-stream');
}
