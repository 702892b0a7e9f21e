import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { embeddedUrl } from '../../../infra/postgres/embedded/files.ts';
import { Books, type RecordedCall } from '../../support/books.ts';
import { ControlledPostgres } from '../../support/controlledPostgres.ts';
import { gauge } from '../../support/gauge.ts';
import { RelayCall, type Seen } from '../../support/relayCall.ts';
import { startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';

const STREAMS = 100;
const GRACE_MS = 2_000;
/** After the grace time: settling what is left, and stopping Postgres. */
const CLOSED_WITHIN_MS = 5_000;
/** Without an answer from Postgres: what waits for it is bounded, but one thing waits after another. */
const CLOSED_WITHOUT_POSTGRES_MS = 12_000;
const LEASE_MS = 3_000;
const SETTINGS = {
  LOG_LEVEL: 'fatal',
  SHUTDOWN_GRACE_MS: String(GRACE_MS),
  OWNER_LEASE_MS: String(LEASE_MS),
  REAPER_INTERVAL_MS: '100',
  DEFAULT_CONCURRENCY: String(STREAMS),
};

/** Streams that end within the grace time, and as many that last far beyond it. */
async function openStreams({ baseUrl, firstRun }: ServiceProcess, count: number) {
  const streams = Array.from({ length: count }, (_, index) => {
    const isShort = index % 2 === 0;
    const content = `Hello. [[sim chunks=${isShort ? '10' : '600'} chunk_delay_ms=100]]`;
    const body = { model: 'tallystick-sim', messages: [{ role: 'user', content }] };
    const streamed = { ...body, stream: true, stream_options: { include_usage: true } };
    return { isShort, call: new RelayCall({ baseUrl, key: firstRun.testKey }, streamed) };
  });
  await Promise.all(streams.map(({ call }) => call.received(1)));
  return streams;
}

/** What the clients saw: short streams whole, long ones with an error at their end. */
async function endedInGoodOrder(streams: Awaited<ReturnType<typeof openStreams>>): Promise<readonly Seen[]> {
  const ended = await Promise.all(streams.map(async ({ isShort, call }) => ({ isShort, seen: await call.seen })));
  expect(ended.map(({ seen: { complete, code, broke } }) => ({ complete, code, broke }))).toEqual(
    ended.map(({ isShort }) => ({
      complete: isShort,
      code: isShort ? null : 'service_unavailable',
      broke: null,
    })),
  );
  return ended.map(({ seen }) => seen);
}

/** Each stream was settled once, and nobody settles it again when the process that served it is gone. */
async function expectSettledOnce(books: Books, streams: readonly Seen[]): Promise<void> {
  await books.nothingHeld(15_000);
  await pause(LEASE_MS + 1_000);
  const recorded = await books.eachSettledOnce();
  expect(recorded.size).toBe(streams.length);
  for (const seen of streams) expectFair(recorded.get(seen.requestId ?? ''), seen);
  await books.inOrder();
}

function expectFair(call: RecordedCall | undefined, { complete, picos, body }: Seen): void {
  expect(call?.ending).toBe(complete ? 'RequestCompleted' : 'RequestAborted');
  // The first chunk of a stream opens it and has no text.
  const delivered = body.split('"content":"').length - 2;
  expect(call?.tokens['outputText']).toBeGreaterThanOrEqual(delivered);
  if (complete) expect(call?.picos).toBe(picos);
}

/** A client that does not get on with sending its call. Resolves with the status that it is answered with. */
async function callWithoutItsBody({ baseUrl, firstRun }: ServiceProcess): Promise<number | undefined> {
  const headers = {
    authorization: `Bearer ${firstRun.testKey}`,
    'content-type': 'application/json',
    'content-length': 1_000,
  };
  const call = request(`${baseUrl}/v1/chat/completions`, { method: 'POST', headers });
  call.write('{');
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

describe.concurrent('SIGTERM with open streams', () => {
  it(`refuses new calls, lets ${String(STREAMS)} streams end within the grace time, settles each, and exits with 0`, async () => {
    let service = await startServiceProcess(SETTINGS);
    try {
      const streams = await openStreams(service, STREAMS);
      const unsent = callWithoutItsBody(service);
      await vi.waitFor(async () => expect(await gauge(service.baseUrl, 'relay_in_flight')).toBe(STREAMS + 1));

      const since = performance.now();
      const exited = service.stop('SIGTERM');
      const probe = (path: string) => fetch(service.baseUrl + path);
      await vi.waitFor(async () => expect((await probe('/readyz')).status).toBe(503), { timeout: 500 });
      expect((await probe('/livez')).status).toBe(200);
      const caller = { baseUrl: service.baseUrl, key: service.firstRun.testKey };
      const refused = await new RelayCall(caller, { model: 'tallystick-sim', messages: [] }).seen;
      expect(refused).toMatchObject({ status: 503, code: 'service_unavailable', headers: { 'retry-after': '1' } });
      expect(await exited).toBe(0);
      expect(performance.now() - since).toBeLessThan(GRACE_MS + CLOSED_WITHIN_MS);
      expect(await unsent).toBe(503);
      const seen = await endedInGoodOrder(streams);

      service = await startServiceProcess({ ...SETTINGS, DATA_DIR: service.dataDir });
      const books = new Books(await embeddedUrl(service.dataDir));
      await expectSettledOnce(books, seen).finally(() => books.close());
    } finally {
      await service.dispose();
    }
  });

  it('does so without an answer from Postgres; the next start brings to the store what this one could not', async () => {
    const postgres = await ControlledPostgres.create();
    const settings = { ...SETTINGS, DATABASE_URL: postgres.url, STORE_TIMEOUT_MS: '1000', HOLD_TIMEOUT_MS: '500' };
    let service = await startServiceProcess(settings);
    const books = new Books(postgres.url);
    try {
      const streams = await openStreams(service, 20);
      await postgres.freeze();
      const since = performance.now();
      expect(await service.stop('SIGTERM')).toBe(0);
      expect(performance.now() - since).toBeLessThan(GRACE_MS + CLOSED_WITHOUT_POSTGRES_MS);
      const seen = await endedInGoodOrder(streams);

      await postgres.thaw();
      service = await startServiceProcess({ ...settings, DATA_DIR: service.dataDir });
      await expectSettledOnce(books, seen);
    } finally {
      await books.close();
      await service.dispose();
      await postgres.dispose();
    }
  });
});
