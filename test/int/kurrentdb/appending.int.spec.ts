import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable, type Append, type EventStore } from '../../../events/eventStore.ts';
import type { KurrentEventStoreOptions } from '../../../infra/kurrentdb/eventStore.ts';
import { contentId } from '../../../infra/kurrentdb/storedForm.ts';
import { event, id, labelOf } from '../../contract/eventStoreSteps.ts';
import { ListeningLog } from '../../support/kurrentdb/listeningLog.ts';
import { FakeKurrent, type FakeKurrentOptions } from '../../support/kurrentdb/server.ts';
import { kurrentStore } from '../../support/kurrentdb/storesUnderTest.ts';

const first = (stream: string, label: string, data?: string): Append => ({
  stream,
  expected: 'no_stream',
  events: [event(label, data === undefined ? {} : { data })],
});

/** JSON of so many bytes. */
const jsonOf = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2));

describe.each([
  { server: 'one that takes batches', options: {} },
  { server: 'one that takes appends one by one', options: { batchAppend: false } },
  { server: 'one that cannot tell its methods', options: { serverFeatures: false } },
])('Appending to KurrentDB, $server', ({ options }: { options: FakeKurrentOptions }) => {
  let fake: FakeKurrent;
  let stores: EventStore[];
  const open = async (more: Partial<KurrentEventStoreOptions> = {}) => {
    const store = await kurrentStore(fake.url, more);
    stores.push(store);
    return store;
  };
  beforeEach(async () => {
    fake = await FakeKurrent.start(options);
    stores = [];
  });
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
    fake.kill();
  });

  it('stores bytes that nobody looks into, under an id that stands for the body', async () => {
    const store = await open();
    const data = ' {"amount" : 1.10, "b":[ 1e3 ],"a":"ü"} ';
    const appended = event('a', { type: 'UsageRecorded', version: 4, data });
    await store.append({ stream: 'request-1', expected: 'no_stream', events: [appended] });
    const stored = fake.log.events.at(-1);
    expect(stored?.id).toBe(contentId(appended));
    expect(stored?.id).not.toBe(contentId({ ...appended, data: data.trim() }));
    expect(stored?.type).toBe('UsageRecorded');
    expect(stored?.contentType).toBe('application/octet-stream');
    expect(Buffer.from(stored?.data ?? []).toString('utf8')).toBe(data);
    expect(Buffer.from(stored?.metadata ?? []).toString('utf8')).toBe(`{"eventId":"${id('a')}","version":4}`);
  });

  it('keeps every one of 2,000 appends of 64 callers, once', async () => {
    const store = await open();
    const waiting = Array.from({ length: 2_000 }, (_, i) => String(i));
    const told = new Map<string, bigint>();
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        for (let label = waiting.pop(); label !== undefined; label = waiting.pop()) {
          const result = await store.append(first(`request-${label}`, label));
          if (result.outcome === 'appended') told.set(label, result.position);
        }
      }),
    );
    const { events } = await store.readAll({ after: 0n, limit: 3_000 });
    expect(events.length).toBe(2_000);
    expect(new Map(events.map((e) => [labelOf(e), e.position]))).toEqual(told);
  });

  it('takes an event of 1 MB, and refuses what is too large for the server without harm to others', async () => {
    const store = await open();
    const large = first('request-1', 'large', jsonOf(1_000_000));
    const [taken, refused, neighbour] = await Promise.allSettled([
      store.append(large),
      store.append(first('request-2', 'too large', jsonOf(1_100_000))),
      store.append(first('request-3', 'small')),
    ]);
    expect(taken).toMatchObject({ status: 'fulfilled', value: { outcome: 'appended', revision: 0n } });
    expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(TypeError) as unknown });
    expect(neighbour).toMatchObject({ status: 'fulfilled', value: { outcome: 'appended', revision: 0n } });
    const [read] = await store.readStream('request-1', { direction: 'forwards', limit: 1 });
    expect(read?.data === large.events[0]?.data).toBe(true);
    expect((await store.readAll({ after: 0n, limit: 10 })).events.length).toBe(2);
  });

  it('takes many large appends at once', async () => {
    const store = await open();
    const appends = Array.from({ length: 40 }, (_, i) => first(`request-${String(i)}`, String(i), jsonOf(700_000)));
    const results = await Promise.all(appends.map((append) => store.append(append)));
    expect(results.every(({ outcome }) => outcome === 'appended')).toBe(true);
    expect(fake.log.events.filter(({ data }) => data.length === 700_000).length).toBe(40);
  });

  it('finds where a repetition stands when the server does not say', async () => {
    const store = await open();
    fake.log.tellsIdempotentPosition = false;
    const append = first('request-1', 'a');
    const appended = await store.append(append);
    await store.append(first('request-2', 'b'));
    expect(appended).toEqual({
      outcome: 'appended',
      revision: 0n,
      position: fake.log.stream('request-1')[0]?.position,
    });
    expect(await store.append(append)).toEqual({ ...appended, outcome: 'repeated' });
  });

  it('never takes the body of another process for its own', async () => {
    const [here, there] = await Promise.all([open(), open()]);
    const [ours, theirs] = [first('request-1', 'a', '{"amount":1}'), first('request-1', 'a', '{"amount":2}')];
    const outcomes = await Promise.all([here.append(ours), there.append(theirs)]);
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['appended', 'id_reused']);
    expect(fake.log.stream('request-1').length).toBe(1);
    const loser = outcomes[0].outcome === 'appended' ? there.append(theirs) : here.append(ours);
    expect(await loser).toEqual({ outcome: 'id_reused', eventId: id('a') });
  });

  it('tells where an append stands that another process made, and does not make it twice', async () => {
    const [here, there] = await Promise.all([open(), open()]);
    const append = first('request-1', 'a');
    await here.append(append);
    const position = fake.log.stream('request-1')[0]?.position;
    expect(await there.append(append)).toMatchObject({ revision: 0n, position });
    expect(await there.append(append)).toEqual({ outcome: 'repeated', revision: 0n, position });
    const opened = await open();
    expect(await opened.append(append)).toEqual({ outcome: 'repeated', revision: 0n, position });
    expect(fake.log.stream('request-1').length).toBe(1);
  });

  it('refuses for good what goes to a stream that somebody deleted', async () => {
    const store = await open();
    fake.log.tombstone('request-1');
    const refused = await store.append(first('request-1', 'a')).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Error);
    expect(refused).not.toBeInstanceOf(StoreUnavailable);
    expect((refused as Error).message).toBe('append: KurrentDB refused for good');
    expect(await store.append(first('request-2', 'b'))).toMatchObject({ outcome: 'appended' });
  });

  it('refuses appends beyond those that may wait, at once', async () => {
    const store = await open({ maxWaiting: 10, appendConnections: 1, timeoutMs: 2_000 });
    await store.append(first('request-first', 'first'));
    fake.faults.hang();
    const appends = Array.from({ length: 25 }, (_, i) => store.append(first(`request-${String(i)}`, String(i))));
    const before = performance.now();
    await expect(store.append(first('request-more', 'more'))).rejects.toThrow('too many appends are waiting');
    expect(performance.now() - before).toBeLessThan(500);
    fake.faults.resume();
    expect((await Promise.all(appends)).every(({ outcome }) => outcome === 'appended')).toBe(true);
  });

  it('leaves out what others write into the same database, and says so once', async () => {
    const log = new ListeningLog();
    const store = await open({ log });
    const foreign = { ...{ id: id('foreign'), type: 'OrderPlaced' }, data: Buffer.from('{"label":"foreign"}') };
    const metadata = Buffer.from('{}');
    fake.log.write('orders-1', 'any', [{ ...foreign, contentType: 'application/json', metadata }]);
    await store.append(first('request-1', 'a'));
    fake.log.write('request-1', 'any', [{ ...foreign, contentType: 'application/octet-stream', metadata }]);
    const last = fake.log.events.at(-1)?.position;
    expect((await store.readAll({ after: 0n, limit: 10 })).events.map(labelOf)).toEqual(['a']);
    expect((await store.readAll({ after: 0n, limit: 10 })).position).toBe(last);
    expect((await store.readStream('request-1', { direction: 'forwards', limit: 10 })).map(labelOf)).toEqual(['a']);
    expect(await store.head()).toBe(last);
    expect(log.warnings).toEqual(['events that we did not write stand in this database and are left out']);
  });
});
