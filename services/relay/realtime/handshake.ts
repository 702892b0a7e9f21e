import type { IncomingHttpHeaders } from 'node:http';
import { ApiError } from '../../http/errors.ts';
import { presentedKey, type KeyPlaces } from '../http/presentedKey.ts';

/** What a client asks for when it connects. */
export interface Handshake {
  /** Null: its first frame will name it. */
  readonly model: string | null;
  /** It wants the six events of the simple form from the first frame on. */
  readonly simple: boolean;
  /** As it was presented; it must not be logged, echoed or forwarded. Null for none. */
  readonly secret: string | null;
}

export const REALTIME_PATH = '/v1/realtime';
/** The one subprotocol that is ever selected. */
export const PROTOCOL = 'realtime';
/** Browsers cannot set headers, so OpenAI lets them put the key among the subprotocols. */
const KEY_PROTOCOL = 'openai-insecure-api-key.';
/** Never the query: addresses stand in logs. */
const KEY_PLACES: KeyPlaces = [{ header: 'authorization' }, { header: 'x-api-key' }, { header: 'api-key' }];
const LONGEST_MODEL = 200;
/** Ways to connect that we do not offer: joining a call of WebRTC or SIP, and sessions that only transcribe. */
const NOT_OFFERED = ['call_id', 'intent'];
/** A token of RFC 9110. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Reads the request that wants to be upgraded. Throws ApiError `invalid_request` or `unsupported_parameter`. */
export function readHandshake(url: string, headers: IncomingHttpHeaders): Handshake {
  checkWebSocket(headers);
  const mark = url.indexOf('?');
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  const offered = subprotocols(headers['sec-websocket-protocol']);
  if (offered.length > 0 && !offered.includes(PROTOCOL)) {
    throw new ApiError('invalid_request', { detail: 'The subprotocol "realtime" must be among those offered.' });
  }
  for (const param of NOT_OFFERED) {
    if (query.has(param)) throw new ApiError('unsupported_parameter', { detail: `${param}: not offered here`, param });
  }
  const compat = query.get('compat');
  if (compat !== null && compat !== 'simple') {
    throw new ApiError('invalid_request', { detail: 'compat: only "simple" is known', param: 'compat' });
  }
  return {
    model: modelOf(query),
    simple: compat !== null,
    secret: presentedKey(headers, query, KEY_PLACES) ?? keyAmong(offered),
  };
}

/** Programs send no Origin; browsers always do, and a page of anybody must not connect unless the operator says so. */
export function isOriginAllowed(headers: IncomingHttpHeaders, allowed: readonly string[]): boolean {
  const { origin } = headers;
  return origin === undefined || allowed.includes('*') || allowed.includes(origin);
}

/** A name that a model may have; null for anything else. */
export function modelName(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_MODEL ? value : null;
}

/** What RFC 6455 section 4.2.1 wants of a client's request. */
function checkWebSocket(headers: IncomingHttpHeaders): void {
  const key = headers['sec-websocket-key'];
  const version = headers['sec-websocket-version'];
  if (headers.upgrade?.toLowerCase() === 'websocket' && version === '13' && /^[+/0-9A-Za-z]{22}==$/.test(key ?? '')) {
    return;
  }
  throw new ApiError('invalid_request', { detail: 'This is no WebSocket handshake of version 13.' });
}

function modelOf(query: URLSearchParams): string | null {
  const stated = query.getAll('model');
  if (stated.length === 0) return null;
  const model = modelName(stated[0]);
  if (stated.length === 1 && model !== null) return model;
  throw new ApiError('invalid_request', { detail: 'model: must stand once and name a model', param: 'model' });
}

function subprotocols(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  const offered = header.split(',').map((name) => name.trim());
  if (offered.every((name) => TOKEN.test(name)) && new Set(offered).size === offered.length) return offered;
  throw new ApiError('invalid_request', { detail: 'Sec-WebSocket-Protocol must be a list of different tokens.' });
}

function keyAmong(offered: readonly string[]): string | null {
  const entry = offered.find((name) => name.startsWith(KEY_PROTOCOL));
  return entry === undefined ? null : entry.slice(KEY_PROTOCOL.length);
}
