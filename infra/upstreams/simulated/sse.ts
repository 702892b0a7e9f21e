/** One server-sent event without a name. */
export function sse(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** One event that is named by its own type, as OpenAI sends images, speech and transcripts. */
export function typedSse(type: string, members: object): string {
  return `event: ${type}\n${sse({ type, ...members })}`;
}

/** An event that announces a failure inside a stream. */
export const ERROR_EVENT = sse({
  error: { message: 'Simulated failure in the stream.', type: 'server_error', param: null, code: null },
});
