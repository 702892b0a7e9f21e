import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { embeddedUrl } from '../../../infra/postgres/embedded/files.ts';
import { Books } from '../../support/books.ts';
import { gauge } from '../../support/gauge.ts';
import { RelayCall } from '../../support/relayCall.ts';
import { freshDirectory, startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';

const STREAMS = 100;
const GRACE_MS = 2_500;
/** After the grace time: settling what is left, and stopping Postgres. */
const STOPPED_WITHIN_MS = GRACE_MS + 5_000;
const LEASE_MS = 3_000;

/** Seconds that a stream lasts: within the grace time, or far beyond it. */
const SHORT = 1;
const LONG = 60;

describe(`SIGTERM with ${String(STREAMS)} open streams`, () => {
  let settings: Readonly<Record<string, string>>;
  let service: ServiceProcess;

  beforeAll(async () => {
    settings = {
      DATA_DIR: await freshDirectory(),
      SHUTDOWN_GRACE_MS: String(GRACE_MS),
      OWNER_LEASE_MS: String(LEASE_MS),
      REAPER_INTERVAL_MS: '100',
      DEFAULT_CONCURRENCY: String(STREAMS),
    };
    service = await startServiceProcess(settings);
  });
  afterAll(() => service.dispose());

  function stream(seconds: number): RelayCall {
    const content = `Hello. [[sim chunks=${String(seconds * 10)} chunk_delay_ms=100]]`;
    return new RelayCall(
      { baseUrl: service.baseUrl, key: service.firstRun.testKey },
      {
        model: 'tallystick-sim',
        stream: true,
        stream_options: { include_usage: true },
        messages: [{ role: 'user', content }],
      },
    );
  }

  /** A client that does not get on with sending its call. Resolves with the status that it is answered with. */
  async function callWithoutItsBody(): Promise<number | undefined> {
    const headers = {
      authorization: `Bearer ${service.firstRun.testKey}`,
      'content-type': 'application/json',
      'content-length': 1_000,
    };
    const call = request(`${service.baseUrl}/v1/chat/completions`, { method: 'POST', headers });
    call.write('{');
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.resume();
    return response.statusCode;
  }

  it('refuses new calls, lets streams end within the grace time, settles each, and exits with 0', async () => {
    const streams = Array.from({ length: STREAMS }, (_, index) => ({
      call: stream(index % 2 === 0 ? SHORT : LONG),
      isShort: index % 2 === 0,
    }));
    await Promise.all(streams.map(({ call }) => call.received(1)));
    const unsent = callWithoutItsBody();
    await vi.waitFor(async () => expect(await gauge(service.baseUrl, 'relay_in_flight')).toBe(STREAMS + 1));

    const since = performance.now();
    const exited = service.stop('SIGTERM');
    await vi.waitFor(async () => expect((await fetch(`${service.baseUrl}/readyz`)).status).toBe(503), { timeout: 500 });
    expect((await fetch(`${service.baseUrl}/livez`)).status).toBe(200);
    const refused = await stream(SHORT).seen;
    expect(refused).toMatchObject({ status: 503, code: 'service_unavailable', headers: { 'retry-after': '1' } });
    expect(await exited).toBe(0);
    expect(performance.now() - since).toBeLessThan(STOPPED_WITHIN_MS);

    expect(await unsent).toBe(503);

    const ended = await Promise.all(streams.map(async ({ call, isShort }) => ({ isShort, seen: await call.seen })));
    const seen = ended.map(({ isShort, seen }) => ({
      isShort,
      complete: seen.complete,
      code: seen.code,
      broke: seen.broke,
    }));
    expect(seen).toEqual(
      ended.map(({ isShort }) => ({
        isShort,
        complete: isShort,
        code: isShort ? null : 'service_unavailable',
        broke: null,
      })),
    );

    service = await startServiceProcess(settings);
    const books = new Books(await embeddedUrl(service.dataDir));
    try {
      await books.nothingHeld(10_000);
      // Longer than the lease of the process that is gone: whoever would settle its calls again has had the time.
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS + 1_000));
      const recorded = await books.eachSettledOnce();
      expect(recorded.size).toBe(STREAMS);
      for (const { isShort, seen } of ended) {
        const call = recorded.get(seen.requestId ?? '');
        expect(call?.ending).toBe(isShort ? 'RequestCompleted' : 'RequestAborted');
        if (isShort) expect(call?.picos).toBe(seen.picos);
        else expect(call?.tokens['outputText']).toBeGreaterThanOrEqual(seen.body.split('"content":"').length - 2);
      }
      await books.inOrder();
    } finally {
      await books.close();
    }
  });
});
