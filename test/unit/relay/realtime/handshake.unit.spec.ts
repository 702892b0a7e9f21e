import { describe, expect, it } from 'vitest';
import type { ApiError } from '../../../../services/http/errors.ts';
import { isOriginAllowed, modelName, readHandshake } from '../../../../services/relay/realtime/handshake.ts';

const HEADERS = {
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

function refusal(url: string, headers: Readonly<Record<string, string | undefined>> = {}): Partial<ApiError> {
  try {
    readHandshake(url, { ...HEADERS, ...headers });
  } catch (error) {
    return error as ApiError;
  }
  throw new Error('it was not refused');
}

describe('A realtime handshake', () => {
  it('says model, form and key', () => {
    const headers = { ...HEADERS, 'sec-websocket-protocol': 'realtime, openai-insecure-api-key.K' };
    expect(readHandshake('/v1/realtime?model=m&compat=simple', headers)).toEqual({
      model: 'm',
      simple: true,
      secret: 'K',
    });
    expect(readHandshake('/v1/realtime', HEADERS)).toEqual({
      model: null,
      simple: false,
      secret: null,
    });
  });

  it('takes the key of a header before that of a subprotocol, and none of the address', () => {
    const protocols = { 'sec-websocket-protocol': 'realtime, openai-insecure-api-key.B' };
    const headers = { ...HEADERS, ...protocols, 'x-api-key': 'X', authorization: 'Bearer A' };
    expect(readHandshake('/v1/realtime', headers).secret).toBe('A');
    expect(readHandshake('/v1/realtime?key=Q&api_key=Q', HEADERS).secret).toBeNull();
    expect(readHandshake('/v1/realtime', { ...HEADERS, 'x-goog-api-key': 'G' }).secret).toBeNull();
  });

  it.each([
    ['no protocol to upgrade to', { upgrade: 'h2c' }],
    ['no nonce', { 'sec-websocket-key': undefined }],
    ['a nonce of another length', { 'sec-websocket-key': 'abc' }],
    ['another version', { 'sec-websocket-version': '8' }],
    ['a subprotocol twice', { 'sec-websocket-protocol': 'realtime, realtime' }],
    ['an empty subprotocol', { 'sec-websocket-protocol': 'realtime,' }],
    ['a subprotocol that is no token', { 'sec-websocket-protocol': 'realtime, a b' }],
    ['other subprotocols only', { 'sec-websocket-protocol': 'graphql-ws' }],
  ])('is refused with %s', (_what, headers) => {
    expect(refusal('/v1/realtime?model=m', headers).code).toBe('invalid_request');
  });

  it('is refused for what is not offered', () => {
    expect(refusal('/v1/realtime?intent=transcription')).toMatchObject({
      code: 'unsupported_parameter',
      param: 'intent',
    });
  });

  it('names a model of 1 to 200 characters', () => {
    expect(modelName('m')).toBe('m');
    for (const name of ['', 'm'.repeat(201), 7, null, undefined]) expect(modelName(name)).toBeNull();
  });

  it('is allowed to programs, and to pages of the listed origins', () => {
    expect(isOriginAllowed({}, [])).toBe(true);
    expect(isOriginAllowed({ origin: 'https://a.example' }, [])).toBe(false);
    expect(isOriginAllowed({ origin: 'https://a.example' }, ['https://a.example'])).toBe(true);
    expect(isOriginAllowed({ origin: 'https://a.example' }, ['*'])).toBe(true);
    expect(isOriginAllowed({ origin: 'null' }, ['https://a.example'])).toBe(false);
  });
});
