import type { Secret } from './secret.ts';

/** What a caller may not set: it belongs to the connection or to the channel. */
const OWN = new Set([
  'accept-encoding',
  'api-key',
  'authorization',
  'connection',
  'content-length',
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
  'x-goog-api-key',
]);

/** How a provider takes its credential. */
export const AUTH_STYLES = ['bearer', 'x-api-key', 'api-key', 'x-goog-api-key'] as const;
export type AuthStyle = (typeof AUTH_STYLES)[number];

/** Headers of every call of a channel, as undici's flat list. `identity`: bytes are passed on, never decoded. */
export function channelHeaders(apiKey: Secret | null, auth: AuthStyle): string[] {
  const headers = ['accept-encoding', 'identity', 'user-agent', 'tallystick'];
  if (apiKey === null) return headers;
  const key = apiKey.reveal();
  return [...headers, ...(auth === 'bearer' ? ['authorization', `Bearer ${key}`] : [auth, key])];
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
