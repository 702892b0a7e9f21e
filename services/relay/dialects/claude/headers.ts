import type { UpstreamRequest } from '../../call.ts';

/** The headers of a client's request, as node:http gives them. */
export type ClientHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The version that we write; also sent where a client names none. */
const VERSION = '2023-06-01';
const MAX_BETAS = 20;

/** Where conversations go, whoever wrote the body. `more` replaces headers of ours. */
export function messagesRequest(
  body: Buffer,
  streamed: boolean,
  more: Readonly<Record<string, string>> = {},
): UpstreamRequest {
  const accept = streamed ? 'text/event-stream' : 'application/json';
  const headers = { 'content-type': 'application/json', accept, 'anthropic-version': VERSION, ...more };
  return { method: 'POST', path: '/messages', headers, body };
}

/** Those headers of a client that its provider needs to read its body: the API version and the betas, where well-formed. */
export function versionHeaders(headers: ClientHeaders): Record<string, string> {
  const version = joined(headers['anthropic-version']);
  const betas = joined(headers['anthropic-beta'])
    .split(',')
    .map((beta) => beta.trim())
    .filter((beta) => /^[\w.-]{1,64}$/.test(beta))
    .slice(0, MAX_BETAS);
  return {
    ...(/^\d{4}-\d{2}-\d{2}$/.test(version) && { 'anthropic-version': version }),
    ...(betas.length > 0 && { 'anthropic-beta': betas.join(',') }),
  };
}

function joined(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value ?? []).join(',');
}
