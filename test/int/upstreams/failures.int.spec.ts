import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { channelSettings } from '../../../infra/config/channels.ts';
import { HttpUpstream } from '../../../infra/upstreams/httpUpstream.ts';
import { silentLog } from '../../support/log.ts';
import { deafPort } from './deafServer.ts';
import { send, startUpstream } from './upstreamHarness.ts';

const SHORT = { connectMs: 10_000, firstByteMs: 10_000, idleMs: 10_000, totalMs: 60_000 };

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function upstreamAt(baseUrl: string, timeouts = SHORT) {
  const channel = channelSettings({ name: 'lost', baseUrl, models: '*', timeouts });
  const upstream = new HttpUpstream([channel], { log: silentLog });
  onTestFinished(() => upstream.close());
  return { upstream, channel };
}

describe('a call fails as', () => {
  it('unreachable when nobody listens', async () => {
    const failure = await send(upstreamAt(`http://127.0.0.1:${String(await closedPort())}`)).sink.failure();
    expect(failure.kind).toBe('unreachable');
    expect(failure.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('unreachable when the name does not resolve', async () => {
    const failure = await send(upstreamAt('http://nowhere.invalid')).sink.failure();
    expect(failure.kind).toBe('unreachable');
  });

  it('unreachable when the other side does not speak TLS', async () => {
    const { scripted } = await startUpstream();
    const failure = await send(upstreamAt(scripted.baseUrl.replace('http:', 'https:'))).sink.failure();
    expect(failure.kind).toBe('unreachable');
  });

  it('unreachable when the connection is reset before the answer', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.reset());
    const { sink } = send(started);
    expect((await sink.failure()).kind).toBe('unreachable');
    expect(sink.status).toBeNull();
  });

  it.each(['reset', 'cut'] as const)(
    'cut when the connection is closed (%s) in the middle of the answer',
    async (how) => {
      const started = await startUpstream();
      const { sink } = send(started);
      const call = await started.scripted.nextCall();
      call.head();
      await call.events('one');
      await vi.waitFor(() => expect(sink.text).toBe('data: one\n\n'));
      call[how]();
      expect((await sink.failure()).kind).toBe('cut');
      expect(sink.violations).toEqual([]);
    },
  );

  it('cut when the other side half-closes in the middle of a chunked answer', async () => {
    const started = await startUpstream();
    const { sink } = send(started);
    const call = await started.scripted.nextCall();
    call.head();
    await call.events('one');
    call.halfClose();
    expect((await sink.failure()).kind).toBe('cut');
  });

  it('cut when the answer is shorter than it promised', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => {
      call.raw('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
      call.halfClose();
    });
    expect((await send(started).sink.failure()).kind).toBe('cut');
  });

  it('cut when the answer is not HTTP', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.raw('SSH-2.0-OpenSSH_9.9\r\n'));
    expect((await send(started).sink.failure()).kind).toBe('cut');
  });

  it('cut when the answer is compressed unasked', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.answer(200, 'zip', { 'content-encoding': 'gzip' }));
    const { sink } = send(started);
    expect((await sink.failure()).kind).toBe('cut');
    expect(sink.status).toBeNull();
  });

  it('unreachable when our own headers cannot be sent', async () => {
    const started = await startUpstream();
    const { sink } = send(started, { headers: { 'openai-beta': 'two\nlines' } });
    expect((await sink.failure()).kind).toBe('unreachable');
    expect(started.scripted.calls).toEqual([]);
  });
});

describe('a call that takes too long fails as a timeout', () => {
  it('when no connection is made', async () => {
    const { sink } = send(upstreamAt(`http://127.0.0.1:${String(await deafPort())}`, { ...SHORT, connectMs: 300 }));
    expect(await sink.failure()).toMatchObject({ kind: 'timeout', cause: { message: 'no connection within 300 ms' } });
  });

  it('when the head does not come', async () => {
    const started = await startUpstream({ timeouts: { ...SHORT, firstByteMs: 200 } });
    const { sink } = send(started);
    const call = await started.scripted.nextCall();
    const failure = await sink.failure();
    expect(failure.kind).toBe('timeout');
    expect(failure.cause).toMatchObject({ message: 'no first byte within 200 ms' });
    await call.closed;
  });

  it('when the head comes and no byte after it', async () => {
    const started = await startUpstream({ timeouts: { ...SHORT, firstByteMs: 300 } });
    started.scripted.next((call) => call.head());
    const { sink } = send(started);
    expect(await sink.failure()).toMatchObject({ kind: 'timeout', cause: { message: 'no first byte within 300 ms' } });
    expect(sink.status).toBe(200);
  });

  it('when a stream falls silent', async () => {
    const started = await startUpstream({ timeouts: { ...SHORT, idleMs: 200 } });
    started.scripted.next(async (call) => {
      call.head();
      await call.events('one');
    });
    const { sink } = send(started);
    expect(await sink.failure()).toMatchObject({ kind: 'timeout', cause: { message: 'silent for 200 ms' } });
    expect(sink.text).toBe('data: one\n\n');
    await vi.waitFor(() => expect(started.scripted.openSockets).toBe(0));
  });

  it('when it goes on for ever', async () => {
    const started = await startUpstream({
      timeouts: { connectMs: 500, firstByteMs: 500, idleMs: 500, totalMs: 500 },
      drainMaxMs: 500,
    });
    started.scripted.next(async (call) => {
      call.head();
      while (!call.isClosed) await call.events('more');
    });
    const { sink } = send(started);
    expect(await sink.failure()).toMatchObject({
      kind: 'timeout',
      cause: { message: 'the call took longer than 500 ms' },
    });
    expect(sink.violations).toEqual([]);
  });

  it('when it goes on for longer than this call may', async () => {
    const started = await startUpstream({ timeouts: SHORT });
    started.scripted.next((call) => call.head());
    const { sink } = send(started, {}, 300);
    expect(await sink.failure()).toMatchObject({
      kind: 'timeout',
      cause: { message: 'the call took longer than 300 ms' },
    });
  });

  it('but not while we ourselves are not ready to read', async () => {
    const started = await startUpstream({ timeouts: { ...SHORT, idleMs: 200 } });
    started.scripted.next(async (call) => {
      call.head();
      await call.events('one');
    });
    const { sink, exchange } = send(started);
    sink.wantsMore = false;
    await vi.waitFor(() => expect(sink.text).toBe('data: one\n\n'));
    const outcome = await Promise.race([
      sink.ended,
      new Promise((resolve) => setTimeout(() => resolve('still open'), 700)),
    ]);
    expect(outcome).toBe('still open');
    sink.wantsMore = true;
    exchange.resume();
    expect((await sink.failure()).kind).toBe('timeout');
  });
});

describe('an answer that is too large', () => {
  it('is refused by its announced length', async () => {
    const started = await startUpstream({}, { maxAnswerBytes: 1_000 });
    started.scripted.next((call) => call.answer(200, 'x'.repeat(1_001), { 'content-length': '1001' }));
    const { sink } = send(started);
    expect((await sink.failure()).kind).toBe('oversize');
    expect(sink.status).toBeNull();
  });

  it('is refused when it grows too large', async () => {
    const started = await startUpstream({}, { maxAnswerBytes: 100_000 });
    started.scripted.next(async (call) => {
      call.head(200, { 'content-type': 'application/json' });
      while (!call.isClosed) await call.write('x'.repeat(10_000));
    });
    const { sink } = send(started);
    expect((await sink.failure()).kind).toBe('oversize');
    expect(sink.receivedBytes).toBeLessThanOrEqual(100_000);
    await vi.waitFor(() => expect(started.scripted.openSockets).toBe(0));
  });

  it('may be larger as a stream, up to its own bound', async () => {
    const started = await startUpstream({}, { maxAnswerBytes: 1_000, maxStreamBytes: 5_000 });
    started.scripted
      .next(async (call) => {
        call.head();
        await call.write('x'.repeat(5_000));
        call.end();
      })
      .next(async (call) => {
        call.head();
        await call.write('x'.repeat(5_001));
        call.end();
      });
    expect(await send(started).sink.ended).toBe('end');
    expect((await send(started).sink.failure()).kind).toBe('oversize');
  });

  it('is refused when its headers are too large', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.answer(200, {}, { 'x-large': 'x'.repeat(40_000) }));
    expect((await send(started).sink.failure()).kind).toBe('oversize');
  });
});
