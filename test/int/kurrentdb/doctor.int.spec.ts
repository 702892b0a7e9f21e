import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../infra/config/config.ts';
import { ofKurrentdb } from '../../../services/cli/doctor/engineVerdicts.ts';
import { kurrentdbFacts } from '../../../services/wiring/doctorEngines.ts';
import { event } from '../../contract/eventStoreSteps.ts';
import { FakeKurrent } from '../../support/kurrentdb/server.ts';
import { kurrentStore } from '../../support/kurrentdb/storesUnderTest.ts';

/** As `ANSWER_MS` there, and half a second for a slow machine. */
const LONGEST_MS = 5_500;

describe('The doctor and KurrentDB', () => {
  let fake: FakeKurrent;
  beforeEach(async () => {
    fake = await FakeKurrent.start();
  });
  afterEach(() => {
    fake.faults.resume();
    fake.kill();
  });
  const facts = (url: string) => kurrentdbFacts(parseConfig({ KURRENTDB_URL: url }));
  const refusal = (url: string) => facts(url).catch((error: unknown) => error);
  const advice =
    'See that it runs, and that KURRENTDB_URL has its address, tls=false where it has no certificate, and a user who may read $all.';

  it('reads it, also when members are found by gossip', async () => {
    expect(await facts(fake.url)).toEqual({ head: 0n });
    const store = await kurrentStore(fake.url);
    await store.append({ stream: 'request-a', expected: 'no_stream', events: [event('a')] });
    const head = await store.head();
    await store.close();
    expect(await facts(fake.discoverUrl)).toEqual({ head });
    expect(ofKurrentdb({ head }, null)).toEqual({
      status: 'ok',
      detail: `$all can be read; the newest event is at position ${head.toString()}`,
    });
  });

  it('asks nobody when there is no KURRENTDB_URL', async () => {
    expect(await kurrentdbFacts(parseConfig({}))).toBeNull();
  });

  it('says in time that nobody is there', async () => {
    fake.kill();
    const since = performance.now();
    expect(await refusal(fake.url)).toMatchObject({
      exit: 'unavailable',
      message: `KurrentDB cannot be read (reading the head: KurrentDB did not answer: UnavailableError). ${advice}`,
    });
    expect(performance.now() - since).toBeLessThan(LONGEST_MS);
  });

  it('says in time that it does not answer', async () => {
    fake.faults.hang();
    const since = performance.now();
    expect(await refusal(fake.url)).toMatchObject({
      exit: 'unavailable',
      message: `KurrentDB cannot be read (reading the head: no answer within the time allowed). ${advice}`,
    });
    expect(performance.now() - since).toBeLessThan(LONGEST_MS);
  });

  it('does not repeat an address that cannot be used', async () => {
    expect(await refusal('kurrentdb://admin:hunter2/x@127.0.0.1:2113')).toMatchObject({
      exit: 'usage',
      message:
        'KURRENTDB_URL cannot be used (the connection string of KurrentDB cannot be read). Special characters of a password must stand in it as %XX.',
    });
  });
});
