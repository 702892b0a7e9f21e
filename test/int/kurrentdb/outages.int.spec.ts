import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable, type Append, type EventStore } from '../../../events/eventStore.ts';
import type { KurrentEventStoreOptions } from '../../../infra/kurrentdb/eventStore.ts';
import { event, eventually, labelOf } from '../../contract/eventStoreSteps.ts';
import { ListeningLog } from '../../support/kurrentdb/listeningLog.ts';
import { FakeKurrent } from '../../support/kurrentdb/server.ts';
import { kurrentStore } from '../../support/kurrentdb/storesUnderTest.ts';

const DEAD = 'a connection to KurrentDB is dead and is replaced';

const first = (label: string, bytes = 10): Append => ({
  stream: `request-${label}`,
  expected: 'no_stream',
  events: [event(label, { data: JSON.stringify({ label, text: 'x'.repeat(bytes) }) })],
});

/** Takes connections and ends them at once; resolves when some have come. */
async function refuse(port: number, connections: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<null>();
  let came = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined).destroy();
    came += 1;
    if (came === connections) resolve(null);
  });
  server.listen(port, '127.0.0.1');
  await promise;
  server.close();
  await once(server, 'close');
}

describe('KurrentDB in trouble', () => {
  let fake: FakeKurrent;
  let stores: EventStore[];
  const open = async (more: Partial<KurrentEventStoreOptions> = {}, url = fake.url) => {
    const store = await kurrentStore(url, more);
    stores.push(store);
    return store;
  };
  /** The labels of what is stored, in order. */
  const stored = () => fake.log.events.filter((e) => !e.stream.startsWith('$')).map((e) => e.stream.slice(8));
  beforeEach(async () => {
    fake = await FakeKurrent.start();
    stores = [];
  });
  afterEach(async () => {
    fake.faults.resume();
    await Promise.all(stores.map((store) => store.close()));
    fake.kill();
  });

  describe('at the start', () => {
    it('does not open where there is no server, and says so in time', async () => {
      fake.kill();
      const before = performance.now();
      await expect(open({ timeoutMs: 600 })).rejects.toThrow(StoreUnavailable);
      expect(performance.now() - before).toBeLessThan(2_000);
    });

    it('opens as soon as the server is there, though a client that read too early never reads again', async () => {
      const log = new ListeningLog();
      fake.kill();
      const opening = open({ log, timeoutMs: 10_000 });
      await refuse(fake.port, 5);
      await fake.start();
      const store = await opening;
      expect(await store.append(first('a'))).toMatchObject({ outcome: 'appended' });
      expect((await store.readAll({ after: 0n, limit: 10 })).events.map(labelOf)).toEqual(['a']);
      expect(log.warnings).toEqual([`reads: ${DEAD}`]);
    });

    it('does not open while the server hangs', async () => {
      fake.faults.hang();
      const before = performance.now();
      await expect(open({ timeoutMs: 300 })).rejects.toThrow(StoreUnavailable);
      expect(performance.now() - before).toBeLessThan(2_000);
    });

    it('refuses a connection string that it cannot use, without repeating it', async () => {
      const secret = 'kurrentdb://admin:changeit@host?tls=perhaps';
      const refused = await open({}, secret).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(TypeError);
      expect(String(refused)).toBe('TypeError: the connection string of KurrentDB cannot be read');
      await expect(open({}, `${fake.url}&throwOnAppendFailure=false`)).rejects.toThrow(TypeError);
    });
  });

  it('is unavailable while the server is down, with the cause, and comes back by itself', async () => {
    const log = new ListeningLog();
    const store = await open({ log });
    await store.append(first('a'));
    fake.kill();
    const failed = await store.append(first('b')).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(StoreUnavailable);
    expect((failed as StoreUnavailable).cause).toBeInstanceOf(Error);
    await expect(store.readAll({ after: 0n, limit: 1 })).rejects.toThrow(StoreUnavailable);
    await expect(store.readStream('request-a', { direction: 'forwards', limit: 1 })).rejects.toThrow(StoreUnavailable);
    await expect(store.head()).rejects.toThrow(StoreUnavailable);
    await fake.start();
    await eventually(async () => {
      expect((await store.append(first('b'))).outcome).toBe('appended');
    });
    await eventually(async () => {
      expect((await store.readAll({ after: 0n, limit: 10 })).events.map(labelOf)).toEqual(['a', 'b']);
    });
    expect(log.warnings).toEqual([]);
  });

  it.each([
    { size: 'small', bytes: 100 },
    { size: 'large', bytes: 60_000 },
  ])('survives losing 200 $size appends at once, and each is made once when repeated', async ({ bytes }) => {
    const store = await open();
    await store.append(first('first'));
    fake.faults.hang();
    const appends = Array.from({ length: 200 }, (_, i) => first(String(i), bytes));
    const lost = Promise.allSettled(appends.map((append) => store.append(append)));
    fake.kill();
    for (const result of await lost) {
      expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) as unknown });
    }
    fake.faults.resume();
    await fake.start();
    await Promise.all(
      appends.map((append) =>
        eventually(async () => {
          expect(['appended', 'repeated']).toContain((await store.append(append)).outcome);
        }),
      ),
    );
    expect(stored().sort()).toEqual(['first', ...appends.map((_, i) => String(i))].sort());
    for (const append of appends) expect((await store.append(append)).outcome).toBe('repeated');
  });

  describe.each([
    { server: 'with batches', batchAppend: true },
    { server: 'without batches', batchAppend: false },
  ])('an append whose answer is lost, $server', ({ batchAppend }) => {
    beforeEach(async () => {
      fake.kill();
      fake = await FakeKurrent.start({ batchAppend });
    });

    it.each([1, 2, 3, 4])(
      'is recognised when it is repeated, when the connection is cut with answer %i',
      async (nth) => {
        const store = await open({ appendConnections: 1 });
        const labels = ['a', 'b', 'c', 'd', 'e'];
        fake.faults.answerNext(...Array.from({ length: nth - 1 }, () => 'sent' as const), 'cut');
        const outcomes: string[] = [];
        for (const label of labels) {
          const tried = await store.append(first(label)).catch((error: unknown) => {
            expect(error).toBeInstanceOf(StoreUnavailable);
            return null;
          });
          outcomes.push(tried?.outcome ?? (await eventually(() => store.append(first(label)))).outcome);
        }
        expect(outcomes).toEqual(labels.map((_, i) => (i === nth - 1 ? 'repeated' : 'appended')));
        expect(stored()).toEqual(labels);
      },
    );

    it('is given up in time, and recognised when it is repeated', async () => {
      const store = await open({ timeoutMs: 400 });
      fake.faults.answerNext('sent', 'lost');
      await store.append(first('a'));
      const before = performance.now();
      await expect(store.append(first('b'))).rejects.toThrow(StoreUnavailable);
      expect(performance.now() - before).toBeLessThan(2_000);
      const position = fake.log.stream('request-b')[0]?.position;
      expect(await store.append(first('b'))).toEqual({ outcome: 'repeated', revision: 0n, position });
      expect(await store.append(first('c'))).toMatchObject({ outcome: 'appended' });
      expect(stored()).toEqual(['a', 'b', 'c']);
    });

    it('raises the alarm when it is repeated with another body', async () => {
      const store = await open({ timeoutMs: 400 });
      fake.faults.answerNext('lost');
      await expect(store.append(first('a'))).rejects.toThrow(StoreUnavailable);
      const other = { ...first('a'), events: [event('a', { data: '{"label":"a","other":true}' })] };
      expect(await store.append(other)).toEqual({ outcome: 'id_reused', eventId: event('a').eventId });
      expect(stored()).toEqual(['a']);
    });
  });

  it('goes on when so many answers were lost that no connection has a place left', async () => {
    const log = new ListeningLog();
    const store = await open({ log, appendConnections: 1, timeoutMs: 400 });
    await store.append(first('first'));
    fake.faults.answerNext(...Array.from({ length: 15 }, () => 'lost' as const));
    const appends = Array.from({ length: 20 }, (_, i) => first(String(i)));
    const lost = await Promise.allSettled(appends.map((append) => store.append(append)));
    expect(lost.every(({ status }) => status === 'rejected')).toBe(true);
    const repeated = appends.map((append) => eventually(() => store.append(append)));
    const outcomes = (await Promise.all(repeated)).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(appends.map((_, i) => (i < 15 ? 'repeated' : 'appended')));
    expect(log.warnings).toEqual([`appends 1: ${DEAD}`]);
    expect(stored().length).toBe(21);
  });

  it('bounds every call while the server hangs, and is as before when it goes on', async () => {
    const store = await open({ timeoutMs: 500 });
    await store.append(first('a'));
    fake.faults.hang();
    const before = performance.now();
    const calls = await Promise.allSettled([
      store.append(first('b')),
      store.readStream('request-a', { direction: 'forwards', limit: 1 }),
      store.readAll({ after: 0n, limit: 1 }),
      store.readAll({ after: 0n, limit: 1, categories: ['request'] }),
      store.head(),
    ]);
    expect(performance.now() - before).toBeLessThan(2_500);
    for (const call of calls) {
      expect(call).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) as unknown });
    }
    fake.faults.resume();
    await eventually(() => {
      expect(stored()).toEqual(['a', 'b']);
    });
    await eventually(async () => {
      expect((await store.append(first('b'))).outcome).toBe('repeated');
    });
    expect((await store.readAll({ after: 0n, limit: 10 })).events.map(labelOf)).toEqual(['a', 'b']);
  });

  it('closes without waiting for a server that hangs, beyond what is under way', async () => {
    const store = await open({ timeoutMs: 400 });
    fake.faults.hang();
    const append = store.append(first('a')).catch((error: unknown) => error);
    const before = performance.now();
    await store.close();
    expect(performance.now() - before).toBeLessThan(1_500);
    expect(await append).toBeInstanceOf(StoreUnavailable);
  });

  describe('found by gossip', () => {
    it('goes to the leader', async () => {
      const { log, host, port } = fake;
      const follower = await FakeKurrent.start({ log, leader: { host, port } });
      const members = [
        { host: follower.host, port: follower.port, isLeader: false },
        { host, port, isLeader: true },
      ];
      follower.members = members;
      fake.members = members;
      const store = await open({}, follower.discoverUrl);
      await store.append(first('a'));
      expect((await store.readAll({ after: 0n, limit: 10 })).events.map(labelOf)).toEqual(['a']);
      follower.kill();
      await store.append(first('b'));
      expect((await store.readAll({ after: 0n, limit: 10 })).events.map(labelOf)).toEqual(['a', 'b']);
    });

    it('comes back after an outage in which it made its first appends', async () => {
      const log = new ListeningLog();
      const store = await open({ log, appendConnections: 1 }, fake.discoverUrl);
      fake.kill();
      for (const label of ['a', 'b', 'c']) await expect(store.append(first(label))).rejects.toThrow(StoreUnavailable);
      await fake.start();
      await eventually(async () => {
        expect((await store.append(first('a'))).outcome).toBe('appended');
      });
      expect(log.warnings).toEqual([`appends 1: ${DEAD}`]);
      await fake.restart();
      await eventually(async () => {
        expect((await store.append(first('b'))).outcome).toBe('appended');
      });
      await eventually(async () => {
        expect((await store.readAll({ after: 0n, limit: 10 })).events.map(labelOf)).toEqual(['a', 'b']);
      });
      expect(log.warnings).toEqual([`appends 1: ${DEAD}`]);
    });
  });
});
