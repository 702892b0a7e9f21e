import type { ChatRequest } from './chatRequest.ts';

/** The request of a route that always streams. Its bytes say so too, because they may go up as they are. */
export function asStreamed(request: ChatRequest): ChatRequest {
  if (request.streamed) return request;
  const body = { ...request.body, stream: true };
  return { ...request, body, raw: Buffer.from(JSON.stringify(body)), streamed: true };
}
