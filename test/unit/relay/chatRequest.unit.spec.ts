import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../services/http/errors.ts';
import { parseChatRequest } from '../../../services/relay/dialects/openai/chatRequest.ts';
import { MODEL } from '../../support/events.ts';
import { chatRequest } from './chatFixtures.ts';

const MESSAGES = '"messages":[{"role":"user","content":"hi"}]';

function refusal(body: Parameters<typeof chatRequest>[0]): { code: string; param: string | null; message: string } {
  try {
    chatRequest(body);
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param, message: error.message };
    throw error;
  }
  throw new Error('the body was taken');
}

describe('A chat body', () => {
  it('is read for what the relay acts on', () => {
    const { model, streamed, usageWanted, maxOutput, choices } = chatRequest({
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 7,
      n: 3,
    });
    expect({ model, streamed, usageWanted, maxOutput, choices }).toEqual({
      model: MODEL,
      streamed: true,
      usageWanted: true,
      maxOutput: 7,
      choices: 3,
    });
  });

  it('has quiet defaults, also for null', () => {
    const { streamed, usageWanted, maxOutput, choices } = chatRequest({
      stream: null,
      stream_options: null,
      max_tokens: null,
      n: null,
      tools: null,
    });
    expect({ streamed, usageWanted, maxOutput, choices }).toEqual({
      streamed: false,
      usageWanted: false,
      maxOutput: null,
      choices: 1,
    });
  });

  it('states its limit by the newer of two fields', () => {
    expect(chatRequest({ max_tokens: 7, max_completion_tokens: 9 }).maxOutput).toBe(9);
  });

  it('may ask for usage as OpenRouter clients do', () => {
    expect(chatRequest({ usage: { include: true } }).usageWanted).toBe(true);
  });

  it.each(['', '{', '[1', 'model', '\uFEFF{}', '{"model":NaN}', '{"a":1}{"b":2}'])('%j is not JSON', (body) => {
    expect(refusal(body).code).toBe('invalid_json');
  });

  it.each([
    ['a lone byte', Buffer.from([0xff])],
    ['a surrogate as three bytes', Buffer.from([0xed, 0xa0, 0x80])],
    ['an overlong form', Buffer.from([0xc1, 0xad])],
  ])('with %s in a name or a text is not UTF-8, so not JSON', (_what, bytes) => {
    for (const [before, after] of [
      ['{"mod', `el":"dear","model":"cheap",${MESSAGES}}`],
      ['{"model":"m","messages":[{"role":"user","content":"', '"}]}'],
    ]) {
      const body = Buffer.concat([Buffer.from(before ?? ''), bytes, Buffer.from(after ?? '')]);
      expect(() => parseChatRequest(body, 64)).toThrow('The body is not valid UTF-8.');
    }
  });

  it.each([
    ['null', 'body'],
    ['[]', 'body'],
    ['"text"', 'body'],
    ['{}', 'model'],
    [{ model: '' }, 'model'],
    [{ model: 7 }, 'model'],
    [{ model: 'm'.repeat(201) }, 'model'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'hi' }, 'messages'],
    [{ messages: [{ role: 'root', content: '' }] }, 'messages.0.role'],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages.0.content'],
    [{ messages: [{ role: 'user', content: [{}] }] }, 'messages.0.content'],
    [{ max_tokens: -1 }, 'max_tokens'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ max_tokens: 1.5 }, 'max_tokens'],
    [{ max_tokens: '1e9' }, 'max_tokens'],
    [{ max_tokens: [] }, 'max_tokens'],
    [{ max_tokens: 2 ** 53 }, 'max_tokens'],
    [`{"model":"m",${MESSAGES},"max_tokens":1e309}`, 'max_tokens'],
    [`{"model":"m",${MESSAGES},"max_completion_tokens":-1e309}`, 'max_completion_tokens'],
    [`{"model":"m",${MESSAGES},"n":18446744073709551615}`, 'n'],
    [{ n: 17 }, 'n'],
    [{ n: -1 }, 'n'],
    [{ temperature: 2.1 }, 'temperature'],
    [{ temperature: '1' }, 'temperature'],
    [{ stream: 'true' }, 'stream'],
    [{ stream_options: true }, 'stream_options'],
    [{ service_tier: ['priority'] }, 'service_tier'],
    [{ service_tier: 't'.repeat(65) }, 'service_tier'],
    [{ tools: [{}] }, 'tools.0.type'],
  ])('%j is refused for its %s', (body, param) => {
    const told = refusal(body);
    expect(told.code).toBe('invalid_request');
    expect(told.param).toBe(param === 'body' ? null : param);
    expect(told.message.startsWith(`${param}: `)).toBe(true);
  });

  it.each([
    `{"model":"m",${MESSAGES},"__proto__":{"n":1}}`,
    `{"model":"m","messages":[{"role":"user","content":"x","__proto__":{}}]}`,
    `{"model":"m",${MESSAGES},"metadata":{"a":[{"\\u005f_proto__":1}]}}`,
  ])('with the key __proto__ is refused: %s', (body) => {
    expect(refusal(body)).toMatchObject({ code: 'invalid_request', message: 'The key "__proto__" is not allowed.' });
    expect(({} as { n?: number }).n).toBeUndefined();
  });

  it('may be nested as deeply as allowed and no deeper, whatever the depth', () => {
    const nested = (depth: number) =>
      Buffer.from(`{"model":"m",${MESSAGES},"metadata":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(parseChatRequest(nested(7), 8).model).toBe('m');
    expect(() => parseChatRequest(nested(8), 8)).toThrow('The body is nested too deeply.');
    expect(() => parseChatRequest(nested(1_000_000), 64)).toThrow('The body is nested too deeply.');
  });

  it.each([
    ['model', `{"model":"dear","model":"cheap",${MESSAGES}}`],
    ['model', `{"mod\\u0065l":"dear","model":"cheap",${MESSAGES}}`],
    ['model', `{"model":"cheap",${MESSAGES},"Model":"dear"}`],
    ['service_tier', `{"model":"m",${MESSAGES},"service_tier":"default","service_tier":"priority"}`],
    ['service_tier', `{"model":"m",${MESSAGES},"Service_Tier":"priority"}`],
    ['max_tokens', `{"model":"m",${MESSAGES},"max_tokens":5,"MAX_TOKENS":100000}`],
    ['max_tokens', `{"model":"m",${MESSAGES},"max_to\u212Aens":100000}`],
    ['messages', `{"model":"m",${MESSAGES},"me\u017F\u017Fages":[]}`],
    ['n', `{"model":"m",${MESSAGES},"N":16}`],
    ['stream', `{"model":"m",${MESSAGES},"stream":false, "stream" :true}`],
  ])('that upstreams may read in two ways is refused for its %s: %s', (param, body) => {
    expect(refusal(body)).toEqual({
      code: 'invalid_request',
      param,
      message: `${param}: must stand once, spelled exactly so`,
    });
  });

  it('may repeat what the relay does not act on, and have any names deeper down', () => {
    const body = `{"seed":1,"Seed":2,"model":"m",${MESSAGES},"metadata":{"model":"x","Model":"y","model":"z"}}`;
    expect(chatRequest(body).model).toBe('m');
  });
});
