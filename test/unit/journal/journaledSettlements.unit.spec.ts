import { appendFile, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable, type Append, type EventStore } from '../../../events/eventStore.ts';
import { createFile, type CreateFile } from '../../../infra/journal/durableFile.ts';
import { encodeLine } from '../../../infra/journal/journalLine.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { reap } from '../../../services/relay/settlement/reap.ts';
import { exampleCall } from '../settlement/calls.ts';
import { JournalDirectory } from './journalDirectory.ts';

let directory: JournalDirectory;
let store: MemoryEventStore;

beforeEach(async () => {
  directory = await JournalDirectory.create();
  store = new MemoryEventStore();
});
afterEach(() => directory.remove());

async function typesOf(stream: string, source: EventStore = store): Promise<string[]> {
  const events = await source.readStream(stream, { direction: 'forwards', limit: 100 });
  return events.map((event) => event.type);
}

/** The store, with another way to append. */
function withAppend(append: EventStore['append']): EventStore {
  return {
    append,
    readStream: (stream, options) => store.readStream(stream, options),
    readAll: (options) => store.readAll(options),
    subscribe: (options) => store.subscribe(options),
    head: () => store.head(),
    close: () => store.close(),
  };
}

const WHOLE = ['RequestAccepted', 'UsageRecorded', 'RequestCompleted'];

describe('while the store answers', () => {
  it('appends go to it and nothing is written to the disk', async () => {
    const journal = await directory.open(store);
    const call = exampleCall('a');
    expect(await journal.append(call.acceptance)).toBe('store');
    await journal.append(call.settlement);
    expect(await typesOf(call.stream)).toEqual(WHOLE);
    expect(await directory.files()).toEqual([]);
    expect(journal.counts).toEqual({ store: 2, correction: 0, journal: 0, quarantine: 0 });
    expect(journal).toMatchObject({ pending: 0, pendingBytes: 0, bytes: 0, nearFull: false, quarantined: 0 });
  });

  it('appends of one stream keep the order in which they were given, though nobody waited', async () => {
    const calls = Array.from({ length: 50 }, (_, i) => exampleCall(`call ${String(i)}`));
    const journal = await directory.open(
      withAppend(async (append) => {
        if (append.expected === 'no_stream') await new Promise(setImmediate);
        return store.append(append);
      }),
    );
    await Promise.all(calls.flatMap((call) => [journal.append(call.acceptance), journal.append(call.settlement)]));
    for (const call of calls) expect(await typesOf(call.stream)).toEqual(WHOLE);
    expect(journal.counts).toMatchObject({ store: 100 });
  });

  it('a settlement that comes after the reaper becomes a correction', async () => {
    const journal = await directory.open(store);
    const call = exampleCall('a');
    const decision = reap(call.orphan, [], Date.parse('2026-11-20T10:00:00.000Z'));
    if (decision.kind === 'reap') await store.append(decision.append);
    expect(await journal.append(call.acceptance)).toBe('store');
    expect(await journal.append(call.settlement)).toBe('correction');
    expect((await typesOf(call.stream)).at(-1)).toBe('UsageCorrected');
    expect(journal.counts).toEqual({ store: 1, correction: 1, journal: 0, quarantine: 0 });
  });
});

describe('while the store is down', () => {
  it('appends are durable in the journal and come to the store in order when it is back', async () => {
    const journal = await directory.open(store);
    const calls = Array.from({ length: 30 }, (_, i) => exampleCall(`call ${String(i)}`));
    await Promise.all(calls.slice(0, 10).map((call) => journal.append(call.acceptance)));
    store.reachable = false;
    const places = await Promise.all(
      calls.flatMap((call, i) =>
        (i < 10 ? [] : [journal.append(call.acceptance)]).concat(journal.append(call.settlement)),
      ),
    );
    expect(places).toEqual(Array(50).fill('journal'));
    expect(journal.pending).toBe(50);
    expect(journal.holds(calls[0]?.stream ?? '')).toBe(true);
    const written = await directory.bytes();
    expect(written.length).toBe(journal.bytes);
    expect(written.length).toBe(journal.pendingBytes);

    store.reachable = true;
    await vi.waitFor(() => expect(journal.pending).toBe(0));
    for (const call of calls) expect(await typesOf(call.stream)).toEqual(WHOLE);
    await vi.waitFor(() => expect(journal.bytes).toBe(0));
    expect(journal.pendingBytes).toBe(0);
    expect(await directory.files()).toEqual([]);
    expect(journal.counts).toEqual({ store: 60, correction: 0, journal: 50, quarantine: 0 });
    expect(await journal.append(exampleCall('after').acceptance)).toBe('store');
  });

  it('an append whose answer was lost comes once', async () => {
    const journal = await directory.open(store);
    const call = exampleCall('a');
    store.failNext('after');
    expect(await journal.append(call.acceptance)).toBe('journal');
    expect(await journal.append(call.settlement)).toBe('journal');
    await vi.waitFor(() => expect(journal.pending).toBe(0));
    expect(await typesOf(call.stream)).toEqual(WHOLE);
  });

  it('later appends of a stream go behind what the journal holds of it, and other streams go past', async () => {
    const [held, free] = [exampleCall('held'), exampleCall('free')];
    let failures = 1;
    const journal = await directory.open(
      withAppend(async (append) => {
        if (append.stream !== held.stream || failures === 0) return store.append(append);
        failures -= 1;
        throw new Error('a failure of this stream only');
      }),
    );
    expect(await journal.append(held.acceptance)).toBe('journal');
    expect(await journal.append(held.settlement)).toBe('journal');
    expect(await journal.append(free.acceptance)).toBe('store');
    expect(await journal.append(free.settlement)).toBe('store');
    await vi.waitFor(() => expect(journal.pending).toBe(0));
    expect(await typesOf(held.stream)).toEqual(WHOLE);
  });

  it('a settlement becomes a correction when the reaper was first after the outage', async () => {
    const journal = await directory.open(store);
    const call = exampleCall('a');
    await journal.append(call.acceptance);
    store.reachable = false;
    expect(await journal.append(call.settlement)).toBe('journal');
    store.reachable = true;
    const stream = await store.readStream(call.stream, { direction: 'forwards', limit: 10 });
    const decision = reap(call.orphan, stream, Date.parse('2026-11-20T10:00:00.000Z'));
    if (decision.kind === 'reap') await store.append(decision.append);
    await vi.waitFor(() => expect(journal.pending).toBe(0));
    expect((await typesOf(call.stream)).filter((type) => type.startsWith('Usage'))).toEqual([
      'UsageRecorded',
      'UsageCorrected',
    ]);
    expect(journal.counts).toEqual({ store: 1, correction: 1, journal: 1, quarantine: 0 });
  });
});

describe('the bound of the journal', () => {
  it('stops admission at four fifths, refuses beyond its bound, and lets go when it is drained', async () => {
    const size = encodeLine(exampleCall('0').whole).length;
    const journal = await directory.open(store, { maxBytes: 10 * size });
    store.reachable = false;
    const full: boolean[] = [];
    for (let i = 0; i < 10; i += 1) {
      expect(await journal.append(exampleCall(String(i)).whole)).toBe('journal');
      full.push(journal.nearFull);
    }
    expect(full).toEqual([...Array<boolean>(8).fill(false), true, true]);
    await expect(journal.append(exampleCall('10').whole)).rejects.toThrow(StoreUnavailable);
    expect(journal.pending).toBe(10);
    store.reachable = true;
    await vi.waitFor(() => expect(journal.pending).toBe(0));
    await vi.waitFor(() => expect(journal.nearFull).toBe(false));
    expect(await typesOf(exampleCall('10').stream)).toEqual([]);
    expect(await journal.append(exampleCall('10').whole)).toBe('store');
  });

  it('counts what is being written, so that a burst does not pass it', async () => {
    const size = encodeLine(exampleCall('0').whole).length;
    const journal = await directory.open(store, { maxBytes: 5 * size });
    store.reachable = false;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => journal.append(exampleCall(String(i)).whole)),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(5);
    expect(journal.bytes).toBe(5 * size);
  });

  it('is kept by whole files, which go when nothing in them waits', async () => {
    const size = encodeLine(exampleCall('0').whole).length;
    const journal = await directory.open(store, { segmentBytes: 2 * size });
    store.reachable = false;
    for (let i = 0; i < 5; i += 1) await journal.append(exampleCall(String(i)).whole);
    expect(await directory.files()).toEqual([
      'journal-0000000001.ndjson',
      'journal-0000000002.ndjson',
      'journal-0000000003.ndjson',
    ]);
    const mode = (await stat(path.join(directory.path, 'journal-0000000001.ndjson'))).mode & 0o777;
    expect(mode).toBe(0o600);
    store.reachable = true;
    await vi.waitFor(async () => expect(await directory.files()).toEqual([]));
  });
});

describe('after a restart', () => {
  /** A journal with these appends, left behind by a process that ended while the store was down. */
  async function leaveBehind(appends: readonly Append[], segmentBytes?: number): Promise<void> {
    const down = new MemoryEventStore();
    down.reachable = false;
    const journal = await directory.open(down, segmentBytes === undefined ? {} : { segmentBytes });
    for (const append of appends) expect(await journal.append(append)).toBe('journal');
    await journal.close();
  }
  const inDirectory = (name: string | undefined) => path.join(directory.path, name ?? '');

  it('what it held comes to the store, behind nothing and before later appends of the same streams', async () => {
    const [one, two] = [exampleCall('one'), exampleCall('two')];
    await leaveBehind([one.acceptance, two.acceptance, one.settlement], 1);
    expect(await directory.files()).toHaveLength(3);
    store.reachable = false;
    const journal = await directory.open(store);
    expect(journal.pending).toBe(3);
    expect(await journal.append(two.settlement)).toBe('journal');
    store.reachable = true;
    await vi.waitFor(() => expect(journal.pending).toBe(0));
    expect(await typesOf(one.stream)).toEqual(WHOLE);
    expect(await typesOf(two.stream)).toEqual(WHOLE);
  });

  it('what had come to the store already comes to nothing', async () => {
    const call = exampleCall('one');
    await leaveBehind([call.acceptance, call.settlement]);
    await store.append(call.acceptance);
    await store.append(call.settlement);
    const journal = await directory.open(store);
    await vi.waitFor(() => expect(journal.pending).toBe(0));
    expect(await typesOf(call.stream)).toEqual(WHOLE);
    expect(journal.quarantined).toBe(0);
  });

  it('a write that was cut short at any byte is cut off, and what was acknowledged comes to the store', async () => {
    const [kept, torn] = [exampleCall('kept'), exampleCall('torn')];
    await leaveBehind([kept.acceptance, kept.settlement, torn.acceptance]);
    const [name] = await directory.files();
    const file = await readFile(inDirectory(name));
    const acknowledged = file.length - encodeLine(torn.acceptance).length;
    for (let length = acknowledged + 1; length < file.length; length += 1) {
      await writeFile(inDirectory(name), file.subarray(0, length));
      const fresh = new MemoryEventStore();
      const journal = await directory.open(fresh);
      expect(journal).toMatchObject({ bytes: acknowledged, pending: 2, quarantined: 0 });
      await vi.waitFor(() => expect(journal.pending).toBe(0), { interval: 1 });
      await journal.close();
      expect(await typesOf(kept.stream, fresh)).toEqual(WHOLE);
      expect(await typesOf(torn.stream, fresh)).toEqual([]);
    }
  }, 60_000);

  it('damage before the end is put in quarantine once, byte for byte, and the rest comes to the store', async () => {
    const calls = ['a', 'b', 'c'].map((name) => exampleCall(name));
    await leaveBehind(calls.map((call) => call.whole));
    const [name] = await directory.files();
    const file = await readFile(inDirectory(name));
    const at = encodeLine(exampleCall('a').whole).length + 100;
    file.writeUInt8(file.readUInt8(at) ^ 1, at);
    await writeFile(inDirectory(name), file);
    store.reachable = false;
    const first = await directory.open(store);
    expect(first).toMatchObject({ pending: 2, quarantined: 1 });
    await first.close();
    const second = await directory.open(store);
    expect(second).toMatchObject({ pending: 2, quarantined: 1 });
    store.reachable = true;
    await vi.waitFor(() => expect(second.pending).toBe(0));
    const sizes = calls.map((call) => encodeLine(call.whole).length);
    const damaged = file.subarray(sizes[0], (sizes[0] ?? 0) + (sizes[1] ?? 0));
    expect(await directory.quarantine()).toEqual([
      { why: 'a damaged line of the journal, as base64', what: damaged.toString('base64') },
    ]);
    await vi.waitFor(async () => expect(await directory.files()).toEqual([]));
  });

  it('a file that holds nothing but a cut write goes', async () => {
    await leaveBehind([exampleCall('a').whole]);
    const [name] = await directory.files();
    await truncate(inDirectory(name), 10);
    const journal = await directory.open(store);
    expect(journal).toMatchObject({ pending: 0, bytes: 0, quarantined: 0 });
    expect(await directory.files()).toEqual([]);
  });

  it('files of others in the directory are left alone', async () => {
    await appendFile(inDirectory('notes.txt'), 'hello');
    const journal = await directory.open(store);
    expect(journal.bytes).toBe(0);
    expect(await readFile(inDirectory('notes.txt'), 'utf8')).toBe('hello');
  });
});

describe('what the store will never take', () => {
  it('lies in quarantine when it was refused at once, and the caller goes on', async () => {
    const [first, reused] = [exampleCall('a'), exampleCall('a', { amountPicos: '1' })];
    const journal = await directory.open(store);
    await journal.append(first.whole);
    expect(await journal.append(reused.settlement)).toBe('quarantine');
    expect(await journal.append(reused.settlement)).toBe('quarantine');
    expect(journal).toMatchObject({ quarantined: 1, counts: { store: 1, quarantine: 2 } });
    const [kept] = await directory.quarantine();
    expect(kept?.why).toContain('stands there with another body');
    expect(JSON.parse(kept?.what ?? '')).toMatchObject({
      stream: first.stream,
      expected: '0',
      events: reused.settlement.events,
    });
  });

  it('lies in quarantine when it is refused on its way from the journal, also after a restart', async () => {
    const [first, reused] = [exampleCall('a'), exampleCall('a', { amountPicos: '1' })];
    await store.append(first.whole);
    store.reachable = false;
    const journal = await directory.open(store);
    expect(await journal.append(reused.settlement)).toBe('journal');
    store.reachable = true;
    await vi.waitFor(() => expect(journal).toMatchObject({ pending: 0, quarantined: 1 }));
    await journal.close();
    expect(await directory.open(store)).toMatchObject({ quarantined: 1 });
    expect(await typesOf(first.stream)).toEqual(WHOLE);
  });

  it('lies in quarantine when no store could hold it', async () => {
    const journal = await directory.open(store);
    const call = exampleCall('a');
    expect(await journal.append({ ...call.acceptance, stream: 'request-\u0000' })).toBe('quarantine');
  });
});

describe('errors of the disk', () => {
  /** Files that fail when told to. */
  function failingFiles(): { create: CreateFile; fail: { write: boolean; datasync: boolean; create: boolean } } {
    const fail = { write: false, datasync: false, create: false };
    const error = () => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const create: CreateFile = async (file) => {
      if (fail.create) throw error();
      const handle = await createFile(file);
      return {
        write: async (bytes: Buffer, offset: number, length: number, position: null) => {
          // The disk takes half of it, then nothing.
          if (fail.write) await handle.write(bytes, offset, Math.floor(length / 2), position);
          if (fail.write) throw error();
          return handle.write(bytes, offset, length, position);
        },
        datasync: () => (fail.datasync ? Promise.reject(error()) : handle.datasync()),
        truncate: (length) => handle.truncate(length),
        close: () => handle.close(),
      } as Awaited<ReturnType<CreateFile>>;
    };
    return { create, fail };
  }

  it.each(['write', 'datasync', 'create'] as const)(
    'reach the caller when %s fails, and nothing acknowledged is lost',
    async (what) => {
      const { create, fail } = failingFiles();
      const journal = await directory.open(store, { create });
      store.reachable = false;
      const calls = ['a', 'b', 'c', 'd'].map((name) => exampleCall(name));
      const [first, failed, later] = calls;
      if (!first || !failed || !later) throw new Error('no calls');
      if (what !== 'create') expect(await journal.append(first.whole)).toBe('journal');
      fail[what] = true;
      const refusal = await journal.append(failed.whole).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(StoreUnavailable);
      expect((refusal as StoreUnavailable).cause).toMatchObject({ code: 'ENOSPC' });
      fail[what] = false;
      expect(await journal.append(later.whole)).toBe('journal');
      await journal.close();

      const again = await directory.open(store, { create });
      expect(again).toMatchObject({ quarantined: 0, pending: what === 'create' ? 1 : 2 });
      store.reachable = true;
      await vi.waitFor(() => expect(again.pending).toBe(0));
      expect(await typesOf(first.stream)).toEqual(what === 'create' ? [] : WHOLE);
      expect(await typesOf(failed.stream)).toEqual([]);
      expect(await typesOf(later.stream)).toEqual(WHOLE);
    },
  );

  it('do not keep later appends from a store that is back', async () => {
    const { create, fail } = failingFiles();
    const journal = await directory.open(store, { create });
    fail.create = true;
    store.failNext('before');
    await expect(journal.append(exampleCall('a').whole)).rejects.toThrow(StoreUnavailable);
    expect(await journal.append(exampleCall('a').whole)).toBe('store');
  });
});
