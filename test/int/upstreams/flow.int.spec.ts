import { describe, expect, it, vi } from 'vitest';
import { silentLog } from '../../support/log.ts';
import type { ScriptedCall } from '../../support/scriptedUpstream.ts';
import type { CollectingSink } from './collectingSink.ts';
import { deafPort } from './deafServer.ts';
import { send, startUpstream } from './upstreamHarness.ts';

describe('a slow reader', () => {
  it('stops the upstream after a bounded amount and gets the rest later', async () => {
    const started = await startUpstream();
    const piece = Buffer.alloc(65_536, 'x');
    const pieces = 512;
    let written = 0;
    started.scripted.next(async (call) => {
      call.head();
      for (let sent = 0; sent < pieces; sent += 1) {
        await call.write(piece);
        written += piece.length;
      }
      call.end();
    });
    const { sink, exchange } = send(started);
    sink.wantsMore = false;
    await vi.waitFor(() => expect(sink.receivedBytes).toBeGreaterThan(0));
    await stable(() => written);
    expect(sink.receivedBytes).toBeLessThanOrEqual(2 * 65_536);
    expect(written).toBeLessThan(16 * 1_048_576);

    sink.wantsMore = true;
    exchange.resume();
    expect(await sink.ended).toBe('end');
    expect(sink.receivedBytes).toBe(pieces * piece.length);
    expect(sink.violations).toEqual([]);
  });

  it('may pause at every piece', async () => {
    const started = await startUpstream();
    started.scripted.next(async (call) => {
      call.head();
      await call.writeInPieces('0123456789'.repeat(10), 1);
      call.end();
    });
    const { sink, exchange } = send(started);
    sink.wantsMore = false;
    const resuming = setInterval(() => exchange.resume(), 1);
    expect(await sink.ended).toBe('end');
    clearInterval(resuming);
    expect(sink.text).toBe('0123456789'.repeat(10));
  });
});

describe('aborting a call', () => {
  it('closes the socket of the upstream and is told once', async () => {
    const started = await startUpstream();
    const { sink, exchange } = send(started);
    const call = await started.scripted.nextCall();
    call.head();
    await call.events('one');
    await vi.waitFor(() => expect(sink.chunks).toHaveLength(1));

    exchange.abort();
    exchange.abort();
    exchange.resume();

    expect(await sink.ended).toEqual({ kind: 'aborted' });
    expect(exchange.sent).toBe(true);
    await call.closed;
    expect(sink.violations).toEqual([]);
    expect(started.upstream.running).toBe(0);
  });

  it('closes the socket also while it is paused', async () => {
    const started = await startUpstream();
    started.scripted.next(async (call) => {
      call.head();
      while (!call.isClosed) await call.events('more');
    });
    const { sink, exchange } = send(started);
    sink.wantsMore = false;
    await vi.waitFor(() => expect(sink.receivedBytes).toBeGreaterThan(0));
    exchange.abort();
    expect((await sink.failure()).kind).toBe('aborted');
    await vi.waitFor(() => expect(started.scripted.openSockets).toBe(0));
    expect(sink.violations).toEqual([]);
  });

  it('closes the socket before the answer has begun', async () => {
    const started = await startUpstream();
    const { sink, exchange } = send(started);
    const call = await started.scripted.nextCall();
    exchange.abort();
    expect((await sink.failure()).kind).toBe('aborted');
    expect(exchange.sent).toBe(true);
    await call.closed;
  });

  it('tells that nothing was sent while the connection is being made', async () => {
    const started = await startUpstream({
      baseUrl: `http://127.0.0.1:${String(await deafPort())}`,
      timeouts: { connectMs: 500, firstByteMs: 10_000, idleMs: 10_000, totalMs: 60_000 },
    });
    const { sink, exchange } = send(started);
    // undici begins to connect in the next turn, and such a server never lets it end.
    await new Promise((resolve) => setImmediate(resolve));
    exchange.abort();
    expect((await sink.failure()).kind).toBe('aborted');
    expect(exchange.sent).toBe(false);
  });

  it('is possible at once, before there is a connection', async () => {
    const started = await startUpstream();
    const { sink, exchange } = send(started);
    exchange.abort();
    expect((await sink.failure()).kind).toBe('aborted');
    expect(exchange.sent).toBe(false);
    started.scripted.next((call) => call.answer(200, {}));
    expect(await send(started).sink.ended).toBe('end');
    expect(started.scripted.calls).toHaveLength(1);
  });

  it('is harmless after the end', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.answer(200, {}));
    const { sink, exchange } = send(started);
    await sink.ended;
    const other = send(started);
    const call = await started.scripted.nextCall();
    exchange.abort();
    exchange.resume();
    call.answer(200, { second: true });
    expect(await other.sink.ended).toBe('end');
    expect(other.sink.text).toBe('{"second":true}');
    expect(sink.violations).toEqual([]);
  });

  it('from inside the sink stops everything', async () => {
    const started = await startUpstream();
    started.scripted.next(async (call) => {
      call.head();
      while (!call.isClosed) await call.events('more');
    });
    const { sink, exchange } = send(started);
    const original = sink.data.bind(sink);
    sink.data = (chunk) => {
      exchange.abort();
      return original(chunk);
    };
    expect((await sink.failure()).kind).toBe('aborted');
    await vi.waitFor(() => expect(started.scripted.openSockets).toBe(0));
    expect(sink.violations).toEqual(['data']);
  });
});

describe('a sink that throws', () => {
  it('at a piece fails its own call and no other', async () => {
    const started = await startUpstream();
    started.scripted.otherwise((call) => call.answer(200, {}));
    const { sink } = send(started);
    sink.data = () => {
      throw new Error('a mistake');
    };
    expect(await sink.failure()).toMatchObject({ kind: 'cut', cause: { message: 'a mistake' } });
    expect(await send(started).sink.ended).toBe('end');
  });

  it.each(['end', 'failed'] as const)('at the end (%s) is logged', async (method) => {
    const logged: string[] = [];
    const started = await startUpstream(
      {},
      {},
      {},
      { ...silentLog, error: (_fields, message) => void logged.push(message) },
    );
    started.scripted.next((call) => (method === 'end' ? call.answer(200, {}) : call.reset()));
    const { sink } = send(started);
    sink[method] = () => {
      throw new Error('a mistake');
    };
    await vi.waitFor(() => expect(logged).toEqual(['the end of an upstream call was not handled']));
    expect(started.upstream.running).toBe(0);
  });
});

describe('a channel with few connections', () => {
  it('lets calls wait, in order, and refuses those beyond its queue', async () => {
    const started = await startUpstream({ maxConnections: 1, maxQueued: 2 });
    const [first, second, third, fourth] = [send(started), send(started), send(started), send(started)];

    expect((await fourth.sink.failure()).kind).toBe('overloaded');
    for (const { sink } of [first, second, third]) {
      const call = await started.scripted.nextCall();
      expect(started.scripted.openSockets).toBe(1);
      call.answer(200, {});
      expect(await sink.ended).toBe('end');
    }
    expect(started.scripted.calls).toHaveLength(3);
  });

  it('gives the place of an aborted call to the next one', async () => {
    const started = await startUpstream({ maxConnections: 1, maxQueued: 2 });
    const first = send(started);
    const waiting = send(started);
    const last = send(started);
    await started.scripted.nextCall();
    waiting.exchange.abort();
    first.exchange.abort();
    expect((await waiting.sink.failure()).kind).toBe('aborted');
    expect([first.exchange.sent, waiting.exchange.sent]).toEqual([true, false]);
    (await started.scripted.nextCall()).answer(200, {});
    expect(await last.sink.ended).toBe('end');
    expect(started.scripted.calls).toHaveLength(2);
  });

  it('lets no call wait longer than for a connection', async () => {
    const started = await startUpstream({
      maxConnections: 1,
      timeouts: { connectMs: 200, firstByteMs: 10_000, idleMs: 10_000, totalMs: 60_000 },
    });
    send(started);
    await started.scripted.nextCall();
    const failure = await send(started).sink.failure();
    expect(failure).toMatchObject({ kind: 'overloaded', cause: { message: 'no connection within 200 ms' } });
  });

  it('never holds more connections than allowed under many calls', async () => {
    const started = await startUpstream({ maxConnections: 4, maxQueued: 1_000 });
    let most = 0;
    started.scripted.otherwise((call) => {
      most = Math.max(most, started.scripted.openSockets);
      call.answer(200, {});
    });
    const endings = Array.from({ length: 200 }, () => send(started).sink.ended);
    expect(new Set(await Promise.all(endings))).toEqual(new Set(['end']));
    expect(most).toBeLessThanOrEqual(4);
  });
});

describe('a call from which nothing more is wanted', () => {
  /** The last event of a stream, and then whatever `after` does. */
  const lastEvent = (after: (call: ScriptedCall) => void | Promise<void>) => async (call: ScriptedCall) => {
    call.head();
    await call.events('[DONE]');
    await after(call);
  };
  const saidAll = (sink: CollectingSink) => vi.waitFor(() => expect(sink.text).toContain('[DONE]'));

  it('leaves its connection to the next one when its end follows', async () => {
    const started = await startUpstream({ maxConnections: 1 });
    const ended = Promise.withResolvers<undefined>();
    started.scripted.next(lastEvent((call) => ended.promise.then(() => call.end())));
    const { sink, exchange } = send(started);
    await saidAll(sink);
    exchange.release();
    ended.resolve(undefined);
    expect(await sink.ended).toBe('end');
    started.scripted.next((call) => call.answer(200, {}));
    expect(await send(started).sink.ended).toBe('end');
    const [first, second] = started.scripted.calls;
    expect(second?.closed).toBe(first?.closed);
  });

  it.each(['says nothing', 'goes on and on'])(
    'gives its place up when its upstream %s and keeps it open',
    async (upstream) => {
      const started = await startUpstream({ maxConnections: 1 });
      started.scripted.next(
        lastEvent(async (call) => {
          while (upstream === 'goes on and on' && !call.isClosed) await call.write(': keep-alive\n\n');
        }),
      );
      const { sink, exchange } = send(started);
      await saidAll(sink);
      const releasedAt = performance.now();
      exchange.release();
      started.scripted.next((call) => call.answer(200, {}));
      expect(await send(started).sink.ended).toBe('end');
      expect(await sink.ended).toEqual({ kind: 'aborted' });
      expect(performance.now() - releasedAt).toBeGreaterThan(900);
      expect(performance.now() - releasedAt).toBeLessThan(2_500);
      expect(sink.violations).toEqual([]);
    },
  );

  it('goes on reading to its end though it was paused', async () => {
    const started = await startUpstream();
    started.scripted.next(lastEvent((call) => call.end()));
    const { sink, exchange } = send(started);
    sink.wantsMore = false;
    await saidAll(sink);
    exchange.release();
    expect(await sink.ended).toBe('end');
  });

  it('is not ended twice', async () => {
    const started = await startUpstream();
    started.scripted.next((call) => call.answer(200, {}));
    const { sink, exchange } = send(started);
    expect(await sink.ended).toBe('end');
    exchange.release();
    expect(sink.violations).toEqual([]);
    expect(started.upstream.running).toBe(0);
  });
});

describe('closing the adapter', () => {
  it('ends calls that do not end by themselves within its time', async () => {
    const started = await startUpstream({ baseUrl: `http://127.0.0.1:${String(await deafPort())}`, maxConnections: 1 });
    const [connecting, waiting] = [send(started), send(started)];
    const begun = performance.now();
    await started.upstream.close(200);
    expect(performance.now() - begun).toBeLessThan(1_500);
    for (const { sink } of [connecting, waiting]) expect(await sink.ended).toEqual({ kind: 'aborted' });
    expect(started.upstream.running).toBe(0);
  });

  it('ends calls that are being answered within its time', async () => {
    const started = await startUpstream();
    const { sink } = send(started);
    const call = await started.scripted.nextCall();
    call.head();
    await started.upstream.close(200);
    expect(await sink.ended).toEqual({ kind: 'aborted' });
    await call.closed;
  });

  it('lets running calls end, refuses new ones, and leaves no connection', async () => {
    const started = await startUpstream();
    const { sink } = send(started);
    const call = await started.scripted.nextCall();
    call.head();

    const closing = started.upstream.close();
    expect((await send(started).sink.failure()).kind).toBe('overloaded');
    await call.events('[DONE]');
    call.end();

    expect(await sink.ended).toBe('end');
    await closing;
    await vi.waitFor(() => expect(started.scripted.openSockets).toBe(0));
  });
});

/** Resolves with the value once it has not changed for 100 ms. */
async function stable(read: () => number): Promise<number> {
  for (;;) {
    const before = read();
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (read() === before) return before;
  }
}
