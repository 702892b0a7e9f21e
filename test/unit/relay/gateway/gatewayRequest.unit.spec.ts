import { describe, expect, it } from 'vitest';
import { readGatewayRequest } from '../../../../services/relay/dialects/gateway/request.ts';
import { gatewayRequest } from './gatewayFixtures.ts';

describe('A gateway request', () => {
  it('is a query of a user', () => {
    expect(gatewayRequest({ other: { kept: true } })).toMatchObject({
      query: '你好',
      user: 'test_user',
      streamed: false,
      sessionId: null,
      files: [],
    });
  });

  it.each(['conversation_id', 'session_id', 'chatId'])('names its conversation as %s', (name) => {
    expect(gatewayRequest({ [name]: 's1' }).sessionId).toBe('s1');
    expect(gatewayRequest({ [name]: '' }).sessionId).toBeNull();
    expect(gatewayRequest({ [name]: null }).sessionId).toBeNull();
  });

  it('may name the same conversation twice, and no other beside it', () => {
    expect(gatewayRequest({ conversation_id: 's1', chatId: 's1', session_id: '' }).sessionId).toBe('s1');
    expect(() => gatewayRequest({ conversation_id: 's1', chatId: 's2' })).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'conversation_id' }),
    );
  });

  it.each([
    [{ query: undefined }, 'query'],
    [{ query: ' \n' }, 'query'],
    [{ query: ['x'] }, 'query'],
    [{ user: undefined }, 'user'],
    [{ user: '' }, 'user'],
    [{ user: 'x'.repeat(257) }, 'user'],
    [{ stream: 'true' }, 'stream'],
    [{ chatId: 7 }, 'chatId'],
    [{ files: 'x' }, 'files'],
    [{ files: [{}] }, 'files.0'],
    [{ files: [{ url: 'ftp://a.example/1', type: 'image' }] }, 'files.0'],
    [{ files: [{ url: 'https://a.example/1', type: 'program' }] }, 'files.0'],
    [{ files: [{ id: '' }] }, 'files.0'],
    [{ files: Array.from({ length: 21 }, () => ({ id: 'f' })) }, 'files'],
  ])('is refused with %j', (change, param) => {
    expect(() => gatewayRequest(change)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: expect.stringContaining(param) as string }),
    );
  });

  it('is refused when a member of ours stands twice, in other letters, or in what is no JSON', () => {
    const read = (text: string) => () => readGatewayRequest(Buffer.from(text), 64);
    const refused = (code: string) => expect.objectContaining({ code }) as Error;
    expect(read('{"query":"a","query":"b","user":"u"}')).toThrow(refused('invalid_request'));
    expect(read('{"query":"a","User":"u","user":"v"}')).toThrow(refused('invalid_request'));
    expect(read('{"query":')).toThrow(refused('invalid_json'));
  });
});
