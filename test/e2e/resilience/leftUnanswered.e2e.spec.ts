import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RecordedCall } from '../../support/books.ts';
import { wholeAnswer, usage } from '../../support/chatAnswers.ts';
import { Developer } from '../../support/developer.ts';
import { HostedService } from '../../support/hostedService.ts';
import { RelayCall } from '../../support/relayCall.ts';
import { ScriptedUpstream } from '../../support/scriptedUpstream.ts';

const MODELS = { cancel: 'gpt-4o-mini', drain: 'gpt-4o' } as const;
const POLICIES = ['cancel', 'drain'] as const;

/** Each policy has a channel with one connection, so that a second call waits. */
describe('a call that ends before its upstream gave anything', () => {
  let upstream: ScriptedUpstream;
  let hosted: HostedService;
  let key: string;

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
    const channel = { baseUrl: upstream.baseUrl, coolsOff: false, maxConnections: 1, drainMaxMs: 300 };
    hosted = await HostedService.start(
      POLICIES.map((clientGone) => ({ ...channel, name: clientGone, models: [MODELS[clientGone]], clientGone })),
    );
    const developer = await Developer.register(hosted.baseUrl);
    key = (await developer.issueKey({ mode: 'live' })).key;
  });
  afterEach(async () => {
    await hosted.dispose();
    await upstream.close();
  });

  function ask(policy: (typeof POLICIES)[number]): RelayCall {
    const messages = [{ role: 'user', content: 'Say something long.' }];
    return new RelayCall({ baseUrl: hosted.baseUrl, key }, { model: MODELS[policy], max_tokens: 64, messages });
  }

  async function holding(calls: number): Promise<void> {
    await vi.waitFor(async () => expect((await hosted.books.held()).holds).toBe(calls));
  }

  /** What the record says of each call when nothing is held any more. */
  async function settled(): Promise<readonly RecordedCall[]> {
    await hosted.books.nothingHeld(5_000);
    return [...(await hosted.books.eachSettledOnce()).values()];
  }

  const free = { ending: 'RequestAborted', source: 'none', picos: 0n, tokens: {} };

  it.each(POLICIES)(
    'is free when its client leaves while it waits for a connection, and is never sent: %s',
    async (policy) => {
      const first = ask(policy);
      const served = await upstream.nextCall();
      const waiting = ask(policy);
      await holding(2);
      await waiting.close();
      await vi.waitFor(() => expect(hosted.service.relay.holds.openSlots).toBe(1));
      served.answer(200, wholeAnswer('some words', usage(9, 2)));
      const { requestId } = await first.seen;

      const calls = await settled();
      expect(calls.filter((call) => call.requestId !== requestId)).toMatchObject([free]);
      expect(calls).toHaveLength(2);
      expect(upstream.calls).toHaveLength(1);
      await hosted.books.inOrder();
    },
  );

  it.each(POLICIES)('is free when its client leaves while an error is still on its way: %s', async (policy) => {
    const call = ask(policy);
    const served = await upstream.nextCall();
    served.head(429, { 'content-type': 'application/json' });
    await served.write('{"error":');
    // A whole call after it tells that the relay has read what had come before.
    const later = ask(policy === 'cancel' ? 'drain' : 'cancel');
    (await upstream.nextCall()).answer(200, wholeAnswer('some words', usage(9, 2)));
    const { requestId } = await later.seen;
    await call.close();
    await served.closed;
    expect((await settled()).filter((each) => each.requestId !== requestId)).toMatchObject([free]);
  });

  it.each(POLICIES)('is paid for its prompt when its client leaves after it was sent: %s', async (policy) => {
    const call = ask(policy);
    const served = await upstream.nextCall();
    await call.close();
    await served.closed;
    const [left] = await settled();
    expect(left).toMatchObject({ ending: 'RequestAborted', source: 'estimated' });
    expect(left?.picos).toBeGreaterThan(0n);
  });

  it('is free when the relay stops, which tells its client to try again', async () => {
    const calls = [ask('cancel'), ask('drain')];
    await upstream.nextCall();
    await upstream.nextCall();
    await hosted.service.relay.drain(0);
    for (const call of calls) {
      const { status, code, headers } = await call.seen;
      expect({ status, code }).toEqual({ status: 503, code: 'service_unavailable' });
      expect(headers['x-should-retry']).toBe('true');
    }
    expect(await settled()).toMatchObject([free, free]);
  });
});
