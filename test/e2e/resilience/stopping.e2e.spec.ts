import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { contentChunk, lastChunks, usage } from '../../support/chatAnswers.ts';
import { Developer } from '../../support/developer.ts';
import { HostedService } from '../../support/hostedService.ts';
import { RelayCall } from '../../support/relayCall.ts';
import { ScriptedUpstream, type ScriptedCall } from '../../support/scriptedUpstream.ts';

const GRACE_MS = 500;
const CALL_MS = 1_500;
const MODELS = { held: 'gpt-4o-mini', drained: 'gpt-4o' } as const;
const MESSAGES = [{ role: 'user', content: 'Say something long.' }];

/** Upstreams that never come to an end by themselves: at `held` every call is given up at once, at `drained` never. */
describe('a call that its upstream does not end', () => {
  let upstream: ScriptedUpstream;
  let hosted: HostedService;
  let key: string;

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
    const channel = { baseUrl: upstream.baseUrl, coolsOff: false, maxConnections: 1, drainMaxMs: 60_000 };
    hosted = await HostedService.start(
      [
        { ...channel, name: 'held', models: [MODELS.held] },
        { ...channel, name: 'drained', models: [MODELS.drained], clientGone: 'drain' },
      ],
      { SHUTDOWN_GRACE_MS: String(GRACE_MS), CALL_TOTAL_MS: String(CALL_MS), HOLD_TIMEOUT_MS: '1000' },
    );
    key = (await (await Developer.register(hosted.baseUrl)).issueKey({ mode: 'live' })).key;
  });
  afterEach(async () => {
    await hosted.dispose();
    await upstream.close();
  });

  function ask(model: keyof typeof MODELS): RelayCall {
    const body = { model: MODELS[model], max_tokens: 64, stream: true, messages: MESSAGES };
    return new RelayCall({ baseUrl: hosted.baseUrl, key }, body);
  }

  async function goingOn(call: ScriptedCall): Promise<void> {
    call.head();
    while (!call.isClosed) await call.events(contentChunk(' word'));
  }

  async function onlyCall() {
    await hosted.books.nothingHeld(5_000);
    const [recorded, ...others] = (await hosted.books.eachSettledOnce()).values();
    expect(others).toEqual([]);
    return recorded;
  }

  it('ends when its time is over, long before its hold, however much time its channel has', async () => {
    upstream.otherwise(goingOn);
    const begun = performance.now();
    const seen = await ask('held').seen;
    expect(performance.now() - begun).toBeLessThan(CALL_MS + 2_000);
    expect(seen).toMatchObject({ code: 'gateway_timeout', broke: null });
    expect(await onlyCall()).toMatchObject({ ending: 'RequestFailed', source: 'estimated' });
  });

  it('and is read for nobody ends with that time as well', async () => {
    upstream.otherwise(goingOn);
    const call = ask('drained');
    await call.received(1);
    await call.close();
    await vi.waitFor(() => expect(upstream.openSockets).toBe(0), CALL_MS + 2_000);
    expect(await onlyCall()).toMatchObject({ ending: 'RequestAborted', source: 'estimated' });
  });

  it('though it was answered whole gives its connection to the next call', async () => {
    upstream.otherwise(async (call) => {
      call.head();
      await call.events(contentChunk('one'), ...lastChunks(usage(9, 1)));
    });
    const [first, second] = [await ask('held').seen, await ask('held').seen];
    expect([first.complete, second.complete]).toEqual([true, true]);
  });

  it('does not keep the relay from stopping when it was answered whole', async () => {
    upstream.otherwise(async (call) => {
      call.head();
      await call.events(contentChunk('one'), ...lastChunks(usage(9, 1)));
      while (!call.isClosed) await call.write(': keep-alive\n\n');
    });
    expect((await ask('held').seen).complete).toBe(true);
    const begun = performance.now();
    await hosted.service.relay.drain(GRACE_MS);
    await hosted.service.relay.close();
    expect(performance.now() - begun).toBeLessThan(GRACE_MS + 3_000);
  });
});
