import { describe, expect, it } from 'vitest';
import type { AnswerReading, UpstreamRequest } from '../../../../services/relay/call.ts';
import { asciiJson } from '../../../../services/relay/dialects/hub/asciiJson.ts';
import { hubCall, hubChatCall, hubStreamCall } from '../../../../services/relay/dialects/hub/call.ts';
import { hubEnvelope } from '../../../../services/relay/dialects/hub/envelope.ts';
import { HUB_FACE } from '../../../../services/relay/dialects/hub/face.ts';
import { HubReading } from '../../../../services/relay/dialects/hub/hubReading.ts';
import { chatCall } from '../../../../services/relay/dialects/openai/chatCall.ts';
import { openaiProtocol } from '../../../../services/relay/dialects/openai/upstream.ts';
import { ReceivedEvents } from '../../../../services/relay/canonical/receivedEvents.ts';
import { NOTHING_REPORTED } from '../../../../services/relay/usage/reported.ts';
import { chunk, cut, eventsOf, sse } from '../chatFixtures.ts';
import { BILLED, BILLED_USAGE, channel, CONTEXT } from '../openai/canonicalFixtures.ts';

const MODEL = 'gpt-5-mini';
const DONE = 'data: [DONE]\n\n';
const spoken = () => openaiProtocol;

function raw(change: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }], ...change }));
}

describe('Text for a client that decodes each network chunk alone', () => {
  it('is ASCII, and means the same', () => {
    const text = JSON.stringify({ said: 'Köln 你好 🙂 \u2028 \ud800', path: 'a\\b"' });
    expect(asciiJson(text)).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(asciiJson(text))).toEqual(JSON.parse(text));
    expect(asciiJson('"é€🙂"')).toBe('"\\u00e9\\u20ac\\ud83d\\ude42"');
  });

  it('is left alone when it is ASCII already', () => {
    expect(asciiJson('{"a":"\\u00e9"}\n\n')).toBe('{"a":"\\u00e9"}\n\n');
  });
});

describe('The envelope of AI Hub', () => {
  it('holds the text of the completion, with the cost as its last member', () => {
    expect(hubEnvelope(' {"id":"x", "created":1763630000.0, "usage":{"cost":0.00000855}}\n', BILLED)).toBe(
      '{"success":true,"data":{"id":"x", "created":1763630000.0, "usage":{"cost":0.00000855},"cost":0.00000855}}',
    );
  });

  it('states costs exactly, of any size', () => {
    const picos = 123_456_789_012_345_678_901n;
    expect(hubEnvelope('{"id":"x"}', { ...BILLED, picos })).toContain('"cost":123456789.012345678901}}');
    expect(hubEnvelope('{"id":"x"}', { ...BILLED, picos: 0n })).toContain('"cost":0}}');
  });

  it('has no second cost where the provider states one', () => {
    expect(hubEnvelope('{"id":"x","cost":7,"usage":{"total_tokens":12}}', BILLED)).toBe(
      `{"success":true,"data":{"id":"x",${BILLED_USAGE},"cost":0.00000855}}`,
    );
  });
});

describe('The face of AI Hub', () => {
  it('tells errors of a stream in ASCII', () => {
    expect(HUB_FACE).toMatchObject({ dialect: 'aihub', keepAlive: ': ping\n\n' });
    expect(HUB_FACE.errorEvent('{"success":false,"error":{"message":"é"}}')).toBe(
      'data: {"success":false,"error":{"message":"\\u00e9"}}\n\n',
    );
  });
});

describe('A reading for AI Hub', () => {
  const stop: UpstreamRequest = { method: 'POST', path: '/stop', headers: {}, body: null };

  /** Gives back the bytes that it is fed. */
  class Echo implements AnswerReading {
    readonly contentType = 'text/plain';
    readonly done = true;
    readonly failure = 'down';
    readonly received = new ReceivedEvents();
    readonly reported = NOTHING_REPORTED;
    readonly stopRequest = stop;
    readonly variant = 'flex';
    feed(piece: Buffer): Buffer {
      return piece;
    }
    end(): string {
      return 'é';
    }
    ending(): Buffer {
      return Buffer.from('{"a":"é"}');
    }
  }

  it('is what the reading inside is', () => {
    const inner = new Echo();
    const { contentType, done, failure, received, reported, stopRequest, variant } = new HubReading(inner, true);
    expect({ contentType, done, failure, stopRequest, variant }).toEqual({
      contentType: 'text/plain',
      done: true,
      failure: 'down',
      stopRequest: stop,
      variant: 'flex',
    });
    expect(received).toBe(inner.received);
    expect(reported).toBe(inner.reported);
  });

  it('escapes characters that its pieces cut', () => {
    const reading = new HubReading(new Echo(), true);
    const pieces = cut(Buffer.from('"你"'), 1).map((piece) => reading.feed(piece));
    expect([...pieces, reading.end(), reading.ending(BILLED)].join('')).toBe('"\\u4f60"\\u00e9{"a":"\\u00e9"}');
  });

  it('puts what is not a stream into its envelope', () => {
    const whole = new HubReading(new Echo(), false).ending(BILLED);
    expect(whole).toBe('{"success":true,"data":{"a":"é","cost":0.00000855}}');
  });
});

describe('A chat call of AI Hub', () => {
  const stream = sse(chunk({ delta: { content: '你好🙂' } }), chunk({ finish: 'stop' }), '[DONE]');

  it('streams chunks without an envelope, in ASCII, wherever bytes are cut', async () => {
    const passage = await hubChatCall(raw({ stream: true }), 64, spoken).passage(channel(), CONTEXT);
    for (const size of [1, 7, stream.length]) {
      const reading = passage.read({ 'content-type': 'text/event-stream' });
      const text = [...cut(stream, size).map((piece) => reading.feed(piece)), reading.end()].join('');
      expect(text).toMatch(/^[\n\x20-\x7e]+$/);
      expect(eventsOf(text)).toMatchObject([
        { choices: [{ delta: { content: '你好🙂' } }] },
        { choices: [{ delta: {} }] },
      ]);
      expect(reading.ending(BILLED)).toBe(DONE);
    }
  });

  it('answers in its envelope when it is not streamed', async () => {
    const answer = { id: 'x', choices: [{ index: 0, message: { content: '你好' }, finish_reason: 'stop' }] };
    const call = hubChatCall(raw(), 64, spoken);
    const reading = (await call.passage(channel(), CONTEXT)).read({ 'content-type': 'application/json' });
    expect(reading.feed(Buffer.from(JSON.stringify(answer)))).toBe('');
    expect(reading.end()).toBe('');
    expect(JSON.parse(String(reading.ending(BILLED)))).toMatchObject({
      success: true,
      data: { ...answer, model: MODEL, usage: { total_tokens: 12 }, cost: 0.00000855 },
    });
  });

  it('is otherwise the chat call that it wraps', () => {
    const inner = chatCall(raw({ max_tokens: 5 }), 64, spoken);
    const call = hubCall(inner, '/api/v1/chat/completions');
    expect(call).toMatchObject({ route: '/api/v1/chat/completions', model: MODEL, streamed: false, raw: inner.raw });
    expect(call.bounds(100)).toEqual(inner.bounds(100));
    expect(call.promptToCount()).toEqual(inner.promptToCount());
  });

  it.each([{}, { stream: false }, { stream: null }, { stream: true }])(
    'of the stream route streams with %j',
    async (change) => {
      const call = hubStreamCall(raw(change), 64, spoken);
      expect(call).toMatchObject({ route: '/api/v1/chat/stream', streamed: true });
      const passage = await call.passage(channel(), CONTEXT);
      expect(JSON.parse(String(passage.request.body))).toMatchObject({
        stream: true,
        stream_options: { include_usage: true },
      });
      expect(passage.read({ 'content-type': 'text/event-stream' }).contentType).toBe(
        'text/event-stream; charset=utf-8',
      );
    },
  );

  it.each([hubChatCall, hubStreamCall])('is refused when its body is none', (make) => {
    expect(() => make(Buffer.from('{'), 64, spoken)).toThrow(expect.objectContaining({ code: 'invalid_json' }));
    expect(() => make(Buffer.from('{}'), 64, spoken)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});
