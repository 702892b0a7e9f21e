import type { Secret } from './secret.ts';

/** What a caller may not set: it belongs to the connection or to the channel. */
const OWN = new Set([
  'accept',
  'accept-encoding',
  'api-key',
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-api-key',
]);

/** Headers of every call of a channel, as undici's flat list. `identity`: bytes are passed on, never decoded. */
export function channelHeaders(apiKey: Secret | null): string[] {
  const headers = [
    'content-type',
    'application/json',
    'accept',
    'application/json, text/event-stream',
    'accept-encoding',
    'identity',
    'user-agent',
    'tallystick',
  ];
  return apiKey === null ? headers : [...headers, 'authorization', `Bearer ${apiKey.reveal()}`];
}

/** The channel's headers and those of the call that are the caller's to set. The same list again when there are none. */
export function withCallHeaders(headers: string[], given: Readonly<Record<string, string>>): string[] {
  let all = headers;
  for (const name in given) {
    const value = given[name];
    if (value === undefined || OWN.has(name.toLowerCase())) continue;
    if (all === headers) all = [...headers];
    all.push(name, value);
  }
  return all;
}
