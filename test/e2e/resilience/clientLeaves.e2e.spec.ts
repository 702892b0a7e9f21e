import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { totalTokens } from '../../../events/meters.ts';
import type { RecordedCall } from '../../support/books.ts';
import { contentChunk, lastChunks, usage } from '../../support/chatAnswers.ts';
import { Developer } from '../../support/developer.ts';
import { HostedService } from '../../support/hostedService.ts';
import { RelayCall } from '../../support/relayCall.ts';
import { ScriptedUpstream, type ScriptedCall } from '../../support/scriptedUpstream.ts';

const CHUNKS = 50;
const FREED_WITHIN_MS = 5_000;
const DRAIN_MAX_MS = 2_000;
const PROMPT_TOKENS = 9;
/** Forty such chunks are more than all buffers on the way to the client can hold: 10 MB. */
const LARGE = 'x'.repeat(250_000);

/** The model of each channel; the channels differ in their policy only. */
const MODELS = { cancel: 'gpt-4o-mini', drain: 'gpt-4o' } as const;
type Policy = keyof typeof MODELS;
type Manner = 'fin' | 'reset' | 'stopReading';

/** What the upstream is told by the prompt: chunks to send before it waits, how large, and what to do then. */
interface Order {
  readonly call: string;
  readonly policy: Policy;
  readonly before: number;
  readonly padded: boolean;
  readonly then: 'rest' | 'silence';
}

/** A call as the upstream sees it. */
interface AtUpstream {
  /** Let it send the rest. */
  readonly goOn: () => void;
  /** Milliseconds of the monotonic clock at which nothing was left of it: all sent, or its socket closed. */
  readonly freed: Promise<number>;
}

describe(`a client that leaves a stream of ${String(CHUNKS)} chunks`, () => {
  let upstream: ScriptedUpstream;
  let hosted: HostedService;
  let key: string;
  const atUpstream = new Map<string, AtUpstream>();

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    upstream.otherwise(play);
    const channel = { baseUrl: upstream.baseUrl, coolsOff: false, maxConnections: 1_000, drainMaxMs: DRAIN_MAX_MS };
    hosted = await HostedService.start(
      [
        { ...channel, name: 'cancelling', models: [MODELS.cancel], clientGone: 'cancel' },
        { ...channel, name: 'draining', models: [MODELS.drain], clientGone: 'drain' },
      ],
      { DEFAULT_CONCURRENCY: '1000', DEFAULT_TOKENS_PER_MONTH: '100000000', DEFAULT_REQUESTS_PER_MINUTE: '100000' },
    );
    const developer = await Developer.register(hosted.baseUrl);
    key = (await developer.issueKey({ mode: 'live' })).key;
  });
  afterAll(async () => {
    await hosted.dispose();
    await upstream.close();
  });

  async function play(call: ScriptedCall): Promise<void> {
    const order = JSON.parse((call.json() as { messages: { content: string }[] }).messages[0]?.content ?? '') as Order;
    const mayGoOn = Promise.withResolvers<undefined>();
    const freed = Promise.withResolvers<number>();
    void call.closed.then(() => freed.resolve(performance.now()));
    atUpstream.set(order.call, { goOn: () => mayGoOn.resolve(undefined), freed: freed.promise });
    const chunks = (count: number) =>
      Array.from({ length: count }, () => contentChunk(' word', order.padded ? LARGE : ''));
    call.head();
    await call.events(...chunks(order.before));
    await Promise.race([call.closed, mayGoOn.promise]);
    if (call.isClosed || order.then === 'silence') return;
    await call.events(...chunks(CHUNKS - order.before), ...lastChunks(usage(PROMPT_TOKENS, CHUNKS)));
    call.end();
    // What is on its way may still lie in buffers when the relay gives the call up; then only the closed socket counts.
    if (!order.padded || order.policy === 'drain') freed.resolve(performance.now());
  }

  /** Reads so many chunks, leaves, and tells when everything of the call was free again, in milliseconds after that. */
  async function leave(policy: Policy, manner: Manner, order: Omit<Order, 'call' | 'policy'>) {
    const id = `${policy} ${manner} ${String(atUpstream.size)} ${String(order.before)}`;
    const content = JSON.stringify({ call: id, policy, ...order } satisfies Order);
    const call = new RelayCall(
      { baseUrl: hosted.baseUrl, key },
      { model: MODELS[policy], max_tokens: 64, stream: true, messages: [{ role: 'user', content }] },
    );
    await call.received(order.before);
    const delivered = call.chunks;
    await call[manner]();
    const leftAt = performance.now();
    const there = atUpstream.get(id);
    if (!there) throw new Error('the upstream was not called');
    if (policy === 'drain' || manner === 'stopReading') there.goOn();
    const freedAfterMs = (await there.freed) - leftAt;
    const requestId = call.requestId ?? '';
    return { delivered, leftAt, freedAfterMs, requestId, hangUp: () => call.close() };
  }

  async function slotsFree(since: number): Promise<void> {
    await vi.waitFor(() => expect(hosted.service.relay.holds.openSlots).toBe(0), {
      timeout: Math.max(1, since + FREED_WITHIN_MS - performance.now()),
      interval: 20,
    });
    await hosted.books.nothingHeld(2_000);
  }

  function expectFairBill(call: RecordedCall | undefined, delivered: number): number {
    if (!call) throw new Error('the call is not in the record');
    const billed = call.tokens['outputText'] ?? 0;
    expect(billed).toBeGreaterThanOrEqual(delivered);
    expect(totalTokens(call.tokens)).toBeLessThanOrEqual(call.heldTokens);
    expect(call.picos).toBeLessThanOrEqual(call.heldPicos);
    return billed;
  }

  for (const policy of ['cancel', 'drain'] as const) {
    for (const manner of ['fin', 'reset', 'stopReading'] as const) {
      it(`is billed what it got and at most the hold, and frees everything, after any chunk: ${manner}, ${policy}`, async () => {
        const left = await Promise.all(
          Array.from({ length: CHUNKS }, (_, index) =>
            leave(policy, manner, { before: index + 1, padded: false, then: 'rest' }),
          ),
        );
        for (const { freedAfterMs } of left) expect(freedAfterMs).toBeLessThan(FREED_WITHIN_MS);
        await slotsFree(Math.max(...left.map(({ leftAt }) => leftAt)));
        const recorded = await hosted.books.eachSettledOnce();
        const billed = left.map(({ delivered, requestId }) => expectFairBill(recorded.get(requestId), delivered));
        // Under `cancel` the upstream was stopped at the very chunk; otherwise it has told its whole usage.
        const stopped = policy === 'cancel' && manner !== 'stopReading';
        expect(billed).toEqual(left.map(({ delivered }) => (stopped ? delivered : CHUNKS)));
        await Promise.all(left.map(({ hangUp }) => hangUp()));
      });
    }
  }

  it('is given up when it stops reading and the buffers are full', async () => {
    const left = await Promise.all(
      [1, 3, 6].flatMap((before) =>
        (['cancel', 'drain'] as const).map(async (policy) => ({
          policy,
          ...(await leave(policy, 'stopReading', { before, padded: true, then: 'rest' })),
        })),
      ),
    );
    for (const { freedAfterMs } of left) expect(freedAfterMs).toBeLessThan(FREED_WITHIN_MS);
    await slotsFree(Math.max(...left.map(({ leftAt }) => leftAt)));
    const recorded = await hosted.books.eachSettledOnce();
    for (const { policy, delivered, requestId } of left) {
      const call = recorded.get(requestId);
      const billed = expectFairBill(call, delivered);
      expect(call?.ending).toBe('RequestAborted');
      if (policy === 'drain') expect(billed).toBe(CHUNKS);
    }
    await Promise.all(left.map(({ hangUp }) => hangUp()));
  });

  it('is read on for no longer than the channel allows when the upstream falls silent: drain', async () => {
    const left = await Promise.all(
      [1, 25, 50].map((before) => leave('drain', 'reset', { before, padded: false, then: 'silence' })),
    );
    for (const { freedAfterMs } of left) {
      expect(freedAfterMs).toBeGreaterThan(DRAIN_MAX_MS - 100);
      expect(freedAfterMs).toBeLessThan(FREED_WITHIN_MS);
    }
    await slotsFree(Math.max(...left.map(({ leftAt }) => leftAt)));
    const recorded = await hosted.books.eachSettledOnce();
    const billed = left.map(({ delivered, requestId }) => expectFairBill(recorded.get(requestId), delivered));
    expect(billed).toEqual([1, 25, 50]);
  });

  it('leaves books in order', () => hosted.books.inOrder());
});
