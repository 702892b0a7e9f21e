import { describe, expect, it } from 'vitest';
import type { Protocol } from '../../../../services/relay/ports.ts';
import { CLIENTS } from '../../../support/golden/clients.ts';
import { STREAMS, TEXT_PIECES } from '../../../support/golden/streams.ts';
import { goldenCall, type Answered } from './goldenCall.ts';

interface Failing {
  readonly protocol: Protocol;
  readonly what: string;
  readonly status?: number;
  readonly body: string;
  /** The answer is labelled as the stream that was asked for. */
  readonly inStream?: boolean;
  /** What the call is recorded as. */
  readonly code: string;
}

const JSON_TYPE = 'application/json';
const json = JSON.stringify;
const openrouter = { code: 429, message: 'busy', metadata: { provider_name: 'x' } };

/** Every way in which a provider says no, before anything of an answer. */
const FAILING: readonly Failing[] = [
  { protocol: 'openai', what: 'an HTML page', status: 502, body: '<html>Bad gateway</html>', code: 'bad_gateway' },
  { protocol: 'openai', what: 'an HTML page under 200', body: '<html>Sign in</html>', code: 'bad_gateway' },
  { protocol: 'openai', what: 'nothing', status: 500, body: '', code: 'bad_gateway' },
  {
    protocol: 'openai',
    what: 'a rejected key',
    status: 401,
    body: json({ error: { message: 'no' } }),
    code: 'bad_gateway',
  },
  { protocol: 'openai', what: 'a detail', status: 422, body: json({ detail: 'no' }), code: 'upstream_invalid_request' },
  {
    protocol: 'openai',
    what: 'a bare error',
    status: 400,
    body: json({ object: 'error', message: 'no', code: 400 }),
    code: 'upstream_invalid_request',
  },
  {
    protocol: 'openai',
    what: 'an empty balance',
    status: 429,
    body: json({ error: { message: 'no', code: 'insufficient_quota' } }),
    code: 'service_unavailable',
  },
  {
    protocol: 'openai',
    what: 'MiniMax, under 200',
    body: json({ base_resp: { status_code: 1008, status_msg: 'insufficient balance' } }),
    code: 'service_unavailable',
  },
  {
    protocol: 'openai',
    what: 'OpenRouter, inside a choice',
    body: json({ id: 'x', choices: [{ error: openrouter, finish_reason: 'error', message: { content: '' } }] }),
    code: 'upstream_rate_limited',
  },
  {
    protocol: 'openai',
    what: 'OpenRouter, in a stream',
    body: `: OPENROUTER PROCESSING\n\ndata: ${json({ id: 'x', error: openrouter, choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }] })}\n\n`,
    inStream: true,
    code: 'upstream_rate_limited',
  },
  {
    protocol: 'openai',
    what: 'MiniMax, in a stream',
    body: `data: ${json({ id: 'x', choices: null, base_resp: { status_code: 1008, status_msg: 'insufficient balance' } })}\n\n`,
    inStream: true,
    code: 'service_unavailable',
  },
  {
    protocol: 'openai',
    what: 'a bare error in a stream',
    body: `data: ${json({ object: 'error', message: 'busy', code: 429 })}\n\n`,
    inStream: true,
    code: 'upstream_rate_limited',
  },
  {
    protocol: 'claude',
    what: 'its overload',
    status: 529,
    body: json({ type: 'error', error: { type: 'overloaded_error', message: 'no' } }),
    code: 'service_unavailable',
  },
  {
    protocol: 'claude',
    what: 'an error event',
    body: `event: error\ndata: ${json({ type: 'error', error: { type: 'overloaded_error', message: 'no' } })}\n\n`,
    inStream: true,
    code: 'service_unavailable',
  },
  {
    protocol: 'gemini',
    what: 'a rejected key',
    status: 400,
    body: json({
      error: {
        code: 400,
        message: 'API key not valid.',
        status: 'INVALID_ARGUMENT',
        details: [{ reason: 'API_KEY_INVALID' }],
      },
    }),
    code: 'bad_gateway',
  },
  {
    protocol: 'gemini',
    what: 'a list of errors',
    status: 429,
    body: json([{ error: { code: 429, message: 'no', status: 'RESOURCE_EXHAUSTED' } }]),
    code: 'upstream_rate_limited',
  },
  {
    protocol: 'gemini',
    what: 'a bare error in a stream',
    body: json({ error: { code: 503, message: 'no', status: 'UNAVAILABLE' } }),
    inStream: true,
    code: 'service_unavailable',
  },
  {
    protocol: 'ollama',
    what: 'an error line',
    body: '{"error":"the runner has stopped"}\n',
    inStream: true,
    code: 'bad_gateway',
  },
  {
    protocol: 'ollama',
    what: 'an unknown model',
    status: 404,
    body: json({ error: 'model "x" not found' }),
    code: 'model_not_found',
  },
  {
    protocol: 'fastgpt',
    what: 'a rejected key under 500',
    status: 500,
    body: json({ code: 500, statusText: 'unAuthApiKey', message: 'no', data: null }),
    code: 'bad_gateway',
  },
  {
    protocol: 'fastgpt',
    what: 'an empty balance under 500',
    status: 500,
    body: json({ code: 500, statusText: 'insufficientQuota', message: 'no' }),
    code: 'service_unavailable',
  },
  {
    protocol: 'fastgpt',
    what: 'an unknown app in a stream',
    body: `event: error\ndata: ${json({ code: 500, statusText: 'appUnExist', message: 'no' })}\n\n`,
    inStream: true,
    code: 'model_not_found',
  },
  {
    protocol: 'dify',
    what: 'a fault of its app',
    status: 400,
    body: json({ code: 'app_unavailable', message: 'no', status: 400 }),
    code: 'service_unavailable',
  },
  {
    protocol: 'dify',
    what: 'a used-up quota',
    status: 400,
    body: json({ code: 'provider_quota_exceeded', message: 'no', status: 400 }),
    code: 'service_unavailable',
  },
  {
    protocol: 'dify',
    what: 'an error event',
    body: `data: ${json({ event: 'error', status: 429, code: 'rate_limit_error', message: 'no' })}\n\n`,
    inStream: true,
    code: 'upstream_rate_limited',
  },
  { protocol: 'coze', what: 'a missing right under 200', body: json({ code: 4101, msg: 'no' }), code: 'bad_gateway' },
  {
    protocol: 'coze',
    what: 'a used-up plan under 400',
    status: 400,
    body: json({ code: 4028, msg: 'no' }),
    code: 'service_unavailable',
  },
  {
    protocol: 'coze',
    what: 'too many calls',
    body: `event:error\ndata:${json({ code: 4013, msg: 'no' })}\n\n`,
    inStream: true,
    code: 'upstream_rate_limited',
  },
];

const CASES = FAILING.map((failing) => [failing.protocol, failing.what, failing] as const);

function answerOf({ protocol, status = 200, body, inStream = false }: Failing): Answered {
  return { status, contentType: inStream ? STREAMS[protocol].contentType : JSON_TYPE, pieces: [body] };
}

describe('What a provider states instead of an answer is judged alike for the clients of every dialect, and free', () => {
  it.each(CASES)('%s: %s', async (protocol, _what, failing) => {
    for (const one of CLIENTS) {
      for (const streamed of [true, false]) {
        // Where nothing was asked as a stream, no provider of these answers as one.
        const alwaysStreams = ['fastgpt', 'dify', 'coze'].includes(protocol);
        if (failing.inStream && !streamed && !alwaysStreams) continue;
        const asked = { call: await one.call(streamed), face: one.face(streamed), protocol };
        const outcome = await goldenCall(asked, answerOf(failing));
        const who = `${one.name}, ${streamed ? 'streamed' : 'whole'}`;
        expect(outcome.ending, who).toMatchObject({ type: 'RequestFailed', code: failing.code });
        expect(outcome, who).toMatchObject({ usage: {}, source: 'none', picos: 0n });
        expect(outcome.status, who).toBeGreaterThanOrEqual(400);
        expect([401, 402, 403]).not.toContain(outcome.status);
        expect(one.isError(JSON.parse(outcome.body) as Record<string, unknown>), `${who}: ${outcome.body}`).toBe(true);
      }
    }
  });
});

/** An error behind the first words of an answer, as each protocol has it. */
const AFTER_WORDS: Readonly<Record<Protocol, string>> = {
  openai: `data: ${json({ error: { message: 'no', type: 'server_error' } })}\n\n`,
  claude: `event: error\ndata: ${json({ type: 'error', error: { type: 'api_error', message: 'no' } })}\n\n`,
  gemini: `${json({ error: { code: 500, message: 'no', status: 'INTERNAL' } })}\n`,
  ollama: '{"error":"no"}\n',
  fastgpt: `event: error\ndata: ${json({ message: 'no' })}\n\n`,
  dify: `data: ${json({ event: 'error', status: 500, code: 'internal_server_error', message: 'no' })}\n\n`,
  coze: `event:conversation.chat.failed\ndata:${json({ id: 'chat-1', last_error: { code: 5000, msg: 'no' } })}\n\n`,
};

const firstWords = (protocol: Protocol): readonly string[] => {
  const { events } = STREAMS[protocol];
  return events.slice(0, events.findIndex((event) => event.includes(TEXT_PIECES[1])) + 1);
};

describe('An error behind the first words of an answer ends the stream in the own words of the dialect', () => {
  it.each(Object.keys(AFTER_WORDS) as Protocol[])('%s', async (protocol) => {
    const { contentType } = STREAMS[protocol];
    const answered = { contentType, pieces: [...firstWords(protocol), AFTER_WORDS[protocol]] };
    for (const one of CLIENTS) {
      const asked = { call: await one.call(true), face: one.face(true), protocol };
      const outcome = await goldenCall(asked, answered);
      const expected = { text: TEXT_PIECES.slice(0, 2).join(''), ends: 0, errors: 1, closed: true };
      expect(one.read(outcome.body), one.name).toMatchObject(expected);
      expect(outcome.ending, one.name).toMatchObject({ type: 'RequestFailed', code: 'bad_gateway', httpStatus: 200 });
      // 想一想, …你好, Überall, 世界: one word is one token of the estimate.
      expect(outcome.usage.outputText, one.name).toBe(4);
    }
  });
});

const THINKING_FIRST = STREAMS.openai.events.slice(0, 2);
/** Those that write nothing at all while a model thinks. */
const SILENT = CLIENTS.filter(({ name }) => ['completions', 'claude'].includes(name));

describe('An error behind thinking that the dialect of the client does not show', () => {
  it('is one before any output where the connection breaks: the client gets it as its whole answer, for free', async () => {
    for (const one of SILENT) {
      const asked = { call: await one.call(true), face: one.face(true), protocol: 'openai' as const };
      const answered = { contentType: STREAMS.openai.contentType, pieces: THINKING_FIRST, close: 'cut' as const };
      expect(await goldenCall(asked, answered), one.name).toMatchObject({ status: 502, usage: {}, picos: 0n });
    }
  });

  it('is one before any output where the provider states it, too', async () => {
    for (const one of SILENT) {
      const asked = { call: await one.call(true), face: one.face(true), protocol: 'openai' as const };
      const pieces = [...THINKING_FIRST, AFTER_WORDS.openai];
      const outcome = await goldenCall(asked, { contentType: STREAMS.openai.contentType, pieces });
      expect(outcome, one.name).toMatchObject({ status: 502, usage: {}, picos: 0n });
    }
  });
});
