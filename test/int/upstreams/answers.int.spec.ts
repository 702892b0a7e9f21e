import { describe, expect, it, onTestFinished } from 'vitest';
import { channelSettings } from '../../../infra/config/channels.ts';
import { HttpUpstream } from '../../../infra/upstreams/httpUpstream.ts';
import { silentLog } from '../../support/log.ts';
import { CollectingSink } from './collectingSink.ts';
import { send, startUpstream } from './upstreamHarness.ts';

describe('an answer of an upstream', () => {
  it('arrives whole, with its status', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.answer(201, { ok: true }));

    const { sink } = send(started);

    expect(await sink.ended).toBe('end');
    expect(sink.status).toBe(201);
    expect(sink.text).toBe('{"ok":true}');
    expect(sink.violations).toEqual([]);
    expect(started.upstream.running).toBe(0);
  });

  it('arrives byte for byte however it was cut', async () => {
    const started = await startUpstream();
    const stream = 'data: {"choices":[{"delta":{"content":"你好, 😀"}}]}\r\n\r\n: ping\n\ndata:[DONE]\n\n';
    for (const size of [1, 7, 1_000]) {
      started.scripted.next(async (call) => {
        call.head();
        await call.writeInPieces(stream, size);
        call.end();
      });
      const { sink } = send(started);
      expect(await sink.ended).toBe('end');
      expect(sink.text).toBe(stream);
    }
  });

  it('has only the headers of the allow-list', async () => {
    const started = await startUpstream();
    started.scripted.next((call) =>
      call.answer(
        429,
        {},
        {
          'retry-after': '7',
          'retry-after-ms': '6500',
          'x-request-id': 'req_1',
          'set-cookie': ['session=1', 'other=2'],
          'openai-organization': 'org-secret',
          server: 'cloudflare',
          'cf-ray': '1',
          authorization: 'Bearer leaked',
        },
      ),
    );

    const { sink } = send(started);
    await sink.ended;

    expect(Object.keys(sink.headers).sort()).toEqual([
      'content-type',
      'date',
      'retry-after',
      'retry-after-ms',
      'x-request-id',
    ]);
    expect(sink.headers['retry-after']).toBe('7');
  });

  it('is not followed when it redirects', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.answer(307, '', { location: '/elsewhere' }));

    const { sink } = send(started);

    expect(await sink.ended).toBe('end');
    expect(sink.status).toBe(307);
    expect(started.scripted.calls).toHaveLength(1);
  });

  it('is taken after informational answers', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => {
      call.raw('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
      call.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    });

    const { sink } = send(started);

    expect(await sink.ended).toBe('end');
    expect(sink.status).toBe(200);
    expect(sink.text).toBe('{}');
    expect(sink.violations).toEqual([]);
  });

  describe('in pieces that share a packet', () => {
    const pieces = (...texts: readonly string[]) =>
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n' +
      texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('');

    it('is told at once, before its end', async () => {
      const started = await startUpstream();
      started.scripted.next((call) => call.raw(`${pieces('data: 1\n\n', 'data: 2\n\n', 'data: [DONE]\n\n')}0\r\n\r\n`));

      const { sink } = send(started);

      expect(await sink.ended).toBe('end');
      expect(sink.chunks.map(String)).toEqual(['data: 1\n\ndata: 2\n\ndata: [DONE]\n\n']);
      expect(sink.violations).toEqual([]);
    });

    it('is told before what breaks it', async () => {
      const started = await startUpstream();
      started.scripted.next((call) => call.raw(`${pieces('data: 1\n\n', 'data: 2\n\n')}not a length\r\n`));

      const { sink } = send(started);

      expect(await sink.failure()).toMatchObject({ kind: 'cut' });
      expect(sink.text).toBe('data: 1\n\ndata: 2\n\n');
      expect(sink.violations).toEqual([]);
    });

    it('is told as far as it may be long', async () => {
      const started = await startUpstream({}, { maxStreamBytes: 20 });
      started.scripted.next((call) => call.raw(pieces('data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n')));

      const { sink } = send(started);

      expect(await sink.failure()).toMatchObject({ kind: 'oversize' });
      expect(sink.text).toBe('data: 1\n\ndata: 2\n\n');
    });

    it('fails alone when its reader throws', async () => {
      const started = await startUpstream();
      started.scripted.otherwise((call) => call.raw(`${pieces('data: 1\n\n', 'data: 2\n\n')}0\r\n\r\n`));
      const broken = new CollectingSink();
      broken.data = () => {
        throw new Error('a mistake');
      };

      send(started, {}, undefined, broken);
      const { sink } = send(started);

      expect(await broken.failure()).toMatchObject({ kind: 'cut', cause: { message: 'a mistake' } });
      expect(await sink.ended).toBe('end');
      expect(started.upstream.running).toBe(0);
    });
  });

  it('may end with the connection when it has no length', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => {
      call.raw('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: [DONE]\n\n');
      call.halfClose();
    });

    const { sink } = send(started);

    expect(await sink.ended).toBe('end');
    expect(sink.text).toBe('data: [DONE]\n\n');
  });
});

describe('a request to an upstream', () => {
  it('carries the body, the key of the channel and no other credential', async () => {
    const started = await startUpstream({ apiKeyEnv: 'KEY' }, {}, { KEY: 'sk-channel' });
    started.scripted.next((call) => call.answer(200, {}));

    const body = Buffer.from('{"model":"模型"}');
    const headers = {
      Authorization: 'Bearer client',
      'X-Api-Key': 'client',
      cookie: 'a=b',
      accept: 'text/event-stream',
      'content-type': 'application/json',
      host: 'evil',
      'openai-beta': 'x',
    };
    await send(started, { body, headers }).sink.ended;

    const [call] = started.scripted.calls;
    expect(call?.method).toBe('POST');
    expect(call?.path).toBe('/v1/chat/completions');
    expect(call?.body).toBe('{"model":"模型"}');
    expect(call?.headers).toEqual({
      host: started.scripted.origin.slice('http://'.length),
      connection: 'keep-alive',
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'accept-encoding': 'identity',
      'user-agent': 'tallystick',
      authorization: 'Bearer sk-channel',
      'openai-beta': 'x',
      'content-length': String(body.length),
    });
  });

  it('carries no credential when the channel has none', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.answer(200, {}));
    await send(started).sink.ended;
    expect(started.scripted.calls[0]?.headers.authorization).toBeUndefined();
  });

  it('goes over a connection that an earlier one has left open', async () => {
    const started = await startUpstream();
    started.scripted.otherwise((call) => call.answer(200, {}));
    for (let call = 0; call < 5; call += 1) await send(started).sink.ended;
    expect(started.scripted.calls).toHaveLength(5);
    // undici reuses a connection from the next turn of the event loop on, so a second one may be made.
    expect(started.scripted.openSockets).toBeLessThanOrEqual(2);
  });

  it('goes to the channel it names, also when channels share an origin', async () => {
    const { scripted } = await startUpstream();
    scripted.otherwise((call) => call.answer(200, {}));
    const first = channelSettings({ name: 'first', baseUrl: `${scripted.origin}/a/`, models: '*' });
    const second = channelSettings({ name: 'second', baseUrl: `${scripted.origin}/b`, models: '*' });
    const upstream = new HttpUpstream([first, second], { log: silentLog });
    onTestFinished(() => upstream.close());

    await send({ upstream, channel: first }).sink.ended;
    await send({ upstream, channel: second }).sink.ended;

    expect(scripted.calls.map((call) => call.path)).toEqual(['/a/chat/completions', '/b/chat/completions']);
    expect(() => send({ upstream, channel: { ...first, name: 'third' } })).toThrow(
      'no upstream channel is named third',
    );
  });
});
