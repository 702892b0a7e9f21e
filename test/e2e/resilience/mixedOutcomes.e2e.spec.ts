import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Books } from '../../support/books.ts';
import { contentChunk, lastChunks, usage, wholeAnswer } from '../../support/chatAnswers.ts';
import { Developer } from '../../support/developer.ts';
import { channelsFile } from '../../support/hostedService.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { RelayCall, type Seen } from '../../support/relayCall.ts';
import { ScriptedUpstream, type ScriptedCall } from '../../support/scriptedUpstream.ts';
import { SeededRandom, testSeed } from '../../support/seededRandom.ts';
import { freshDirectory, startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';

const OUTCOMES = 10_000;
const CAP = 10;
/** More than the cap, so that some calls are refused for it. */
const CALLERS = 12;
const TIMEOUT_MS = 100;
/** How long a caller waits that was refused for the cap. */
const RETRY_MS = 100;

/** How a call goes, and how often that is drawn. */
const WEIGHTS = {
  json: 300,
  stream: 250,
  unreported: 40,
  refused400: 60,
  refused429: 40,
  refused500: 40,
  cutAtOnce: 20,
  cut: 50,
  errorEvent: 20,
  leftAtOnce: 40,
  leftByFin: 30,
  leftByClose: 30,
  leftByReset: 30,
  silentAtOnce: 8,
  silent: 8,
  overQuota: 40,
  unknownModel: 10,
  malformed: 10,
};
type Kind = keyof typeof WEIGHTS;

/** What the client sees and the record says of each kind; null where the client sees nothing, or there is no record. */
const EXPECTED: Readonly<Record<Kind, readonly [status: number | null, code: string | null, ending: string | null]>> = {
  json: [200, null, 'RequestCompleted'],
  stream: [200, null, 'RequestCompleted'],
  unreported: [200, null, 'RequestCompleted'],
  refused400: [400, 'upstream_invalid_request', 'RequestFailed'],
  refused429: [429, 'upstream_rate_limited', 'RequestFailed'],
  refused500: [502, 'bad_gateway', 'RequestFailed'],
  cutAtOnce: [502, 'bad_gateway', 'RequestFailed'],
  cut: [200, 'bad_gateway', 'RequestFailed'],
  errorEvent: [200, 'bad_gateway', 'RequestFailed'],
  leftAtOnce: [null, null, 'RequestAborted'],
  leftByFin: [200, null, 'RequestAborted'],
  leftByClose: [200, null, 'RequestAborted'],
  leftByReset: [200, null, 'RequestAborted'],
  silentAtOnce: [504, 'gateway_timeout', 'RequestFailed'],
  silent: [200, 'gateway_timeout', 'RequestFailed'],
  overQuota: [429, 'insufficient_quota', null],
  unknownModel: [404, 'model_not_found', null],
  malformed: [400, 'invalid_request', null],
};

const NOT_STREAMED: ReadonlySet<Kind> = new Set(['json', 'refused400', 'refused500', 'silentAtOnce', 'leftAtOnce']);

function bodyOf(kind: Kind): object {
  const body = {
    model: 'gpt-4o-mini',
    max_tokens: 64,
    messages: [{ role: 'user', content: kind }],
    ...(!NOT_STREAMED.has(kind) && { stream: true, stream_options: { include_usage: true } }),
  };
  if (kind === 'overQuota') return { ...body, model: 'gpt-4o', max_tokens: 16_384, n: 16 };
  if (kind === 'unknownModel') return { ...body, model: 'no-such-model' };
  return kind === 'malformed' ? { ...body, max_tokens: -1 } : body;
}

const chunks = (count: number) => Array.from({ length: count }, () => contentChunk(' word'));

const begun = async (call: ScriptedCall, ...events: readonly unknown[]) => {
  call.head();
  await call.events(...events);
};
const ended = async (call: ScriptedCall, ...events: readonly unknown[]) => {
  await begun(call, ...events);
  call.end();
};

/** The upstream's part of each kind that gets an answer. */
const ANSWERS: Readonly<Partial<Record<Kind, (call: ScriptedCall) => void | Promise<void>>>> = {
  json: (call) => call.answer(200, wholeAnswer('Some words.', usage(9, 3))),
  stream: (call) => ended(call, ...chunks(4), ...lastChunks(usage(9, 4))),
  unreported: (call) => ended(call, ...chunks(4), ...lastChunks(null)),
  refused400: (call) => call.answer(400, { error: { message: 'No.', type: 'invalid_request_error' } }),
  refused429: (call) => call.answer(429, { error: { message: 'Slower.' } }, { 'retry-after': '1' }),
  refused500: (call) => call.answer(500, { error: { message: 'Broken.' } }),
  cutAtOnce: (call) => begun(call).then(() => call.cut()),
  cut: (call) => begun(call, ...chunks(3)).then(() => call.cut()),
  errorEvent: (call) => ended(call, ...chunks(2), { error: { message: 'Broken.', type: 'server_error' } }),
  leftByFin: (call) => begun(call, ...chunks(2)).then(() => call.closed),
  leftByClose: (call) => begun(call, ...chunks(2)).then(() => call.closed),
  leftByReset: (call) => begun(call, ...chunks(2)).then(() => call.closed),
  silent: (call) => begun(call, ...chunks(2)).then(() => call.closed),
};

/** Resolves when nothing of the call is left at the upstream. */
async function play(call: ScriptedCall): Promise<void> {
  const prompt = call.json() as { messages: { content: Kind }[] };
  const answer = ANSWERS[prompt.messages[0]?.content ?? 'json'];
  await (answer ? answer(call) : call.closed);
}

/** How each kind of client that leaves a stream does so. */
const LEAVING: Readonly<Partial<Record<Kind, 'fin' | 'close' | 'reset'>>> = {
  leftByFin: 'fin',
  leftByClose: 'close',
  leftByReset: 'reset',
};

describe('a key with a concurrency cap', () => {
  const seed = testSeed();
  const agent = new Agent({ keepAlive: true });
  let database: TestDatabase;
  let books: Books;
  let upstream: ScriptedUpstream;
  let service: ServiceProcess;
  let developer: Developer;
  let key: string;
  let atUpstream = 0;
  let mostAtUpstream = 0;

  beforeAll(async () => {
    database = await testDatabase();
    books = new Books(database.url);
    upstream = await ScriptedUpstream.start();
    upstream.otherwise(async (call) => {
      atUpstream += 1;
      // Counted after this turn's events: a call that has left may be told after the one that came in its place.
      setImmediate(() => (mostAtUpstream = Math.max(mostAtUpstream, atUpstream)));
      await Promise.race([play(call), call.closed]);
      atUpstream -= 1;
    });
    const dataDir = await freshDirectory();
    const timeouts = { connectMs: 5_000, firstByteMs: TIMEOUT_MS, idleMs: TIMEOUT_MS, totalMs: 60_000 };
    const channel = { baseUrl: upstream.baseUrl, coolsOff: false, maxConnections: 1_000 };
    service = await startServiceProcess({
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
      DEFAULT_TOKENS_PER_MONTH: '100000000',
      DEFAULT_REQUESTS_PER_MINUTE: '10000000',
      DEFAULT_CONCURRENCY: String(CAP),
      CHANNELS_FILE: await channelsFile(dataDir, [
        { ...channel, name: 'hasty', models: ['gpt-4o-mini'], timeouts },
        { ...channel, name: 'patient', models: ['gpt-4o'] },
      ]),
    });
    developer = await Developer.register(service.baseUrl);
    const limits = { spend_per_month: { USD: '2' } };
    key = (await developer.issueKey({ mode: 'live', limits })).key;
  });
  afterAll(async () => {
    agent.destroy();
    await service.dispose();
    await upstream.close();
    await books.close();
    await database.close();
  });

  async function perform(kind: Kind): Promise<Seen> {
    // Who leaves must not take a connection along that another call is using by then.
    const caller = { baseUrl: service.baseUrl, key, ...(!kind.startsWith('left') && { agent }) };
    const call = new RelayCall(caller, bodyOf(kind));
    const leaving = LEAVING[kind];
    if (kind === 'leftAtOnce') {
      await Promise.race([call.seen, pause(5)]);
      await call.close();
    } else if (leaving) {
      await Promise.race([call.seen, call.received(2).catch(() => undefined)]);
      if (call.chunks === 2) await call[leaving]();
    }
    return call.seen;
  }

  it(`leaves nothing held after ${String(OUTCOMES)} mixed outcomes, and admits exactly ${String(CAP)} again (seed ${String(seed)})`, async () => {
    const random = new SeededRandom(seed);
    const outcomes: { readonly kind: Kind; readonly seen: Seen }[] = [];
    const caller = async () => {
      while (outcomes.length < OUTCOMES) {
        const kind = random.weighted(WEIGHTS);
        const seen = await perform(kind);
        outcomes.push({ kind, seen });
        if (seen.code === 'concurrency_exceeded') await pause(RETRY_MS);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));

    await books.nothingHeld(15_000);
    expect(atUpstream).toBe(0);
    expect(mostAtUpstream).toBeLessThanOrEqual(CAP);
    const recorded = await books.eachSettledOnce();
    const odd = outcomes.flatMap(({ kind, seen }) => {
      if (seen.code === 'concurrency_exceeded') return [];
      const [status, code, ending] = EXPECTED[kind];
      const call = seen.requestId === null ? undefined : recorded.get(seen.requestId);
      const found = [seen.status, seen.code, seen.status === null ? ending : (call?.ending ?? null)];
      return JSON.stringify(found) === JSON.stringify([status, code, ending])
        ? []
        : [{ kind, found, broke: seen.broke }];
    });
    expect(odd).toEqual([]);
    const complete = outcomes.filter(({ seen }) => seen.status === 200 && seen.complete);
    expect(complete.length).toBeGreaterThan(OUTCOMES / 2);
    for (const { seen } of complete) {
      expect(recorded.get(seen.requestId ?? '')?.picos).toBe(seen.picos);
    }
    const drawn = new Map(Object.entries(Object.groupBy(outcomes, ({ kind }) => kind)).map(([k, v]) => [k, v.length]));
    expect([...drawn.keys()].sort()).toEqual(Object.keys(WEIGHTS).sort());
    expect(outcomes.filter(({ seen }) => seen.code === 'concurrency_exceeded').length).toBeGreaterThan(0);

    const wait = { ...bodyOf('json'), model: 'gpt-4o', max_tokens: 1, messages: [{ role: 'user', content: 'wait' }] };
    const waiting = Array.from({ length: 3 * CAP }, () => new RelayCall({ baseUrl: service.baseUrl, key }, wait));
    const refused: Seen[] = [];
    for (const call of waiting) void call.seen.then((seen) => refused.push(seen));
    await vi.waitFor(() => expect(refused.length + atUpstream).toBe(3 * CAP), { timeout: 10_000 });
    expect(atUpstream).toBe(CAP);
    expect(refused.map(({ status, code }) => ({ status, code }))).toEqual(
      Array.from({ length: 2 * CAP }, () => ({ status: 429, code: 'concurrency_exceeded' })),
    );
    await Promise.all(waiting.map((call) => call.close()));
    await books.nothingHeld(10_000);
    expect(mostAtUpstream).toBe(CAP);

    await books.eachSettledOnce();
    expect(await books.invoiced(developer.accounts.live)).toHaveLength(1);
    await books.inOrder();
  });
});
