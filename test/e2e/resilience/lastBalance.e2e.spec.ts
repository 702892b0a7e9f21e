import { Agent } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { rateUpperBound } from '../../../services/billing/rating/rate.ts';
import { PriceCatalogue } from '../../../services/billing/pricebook/priceCatalogue.ts';
import { decode } from '../../../events/codec.ts';
import { parseChatRequest } from '../../../services/relay/dialects/openai/chatRequest.ts';
import { promptInputBound } from '../../../services/relay/dialects/openai/promptSize.ts';
import type { Service } from '../../../services/wiring/service.ts';
import { Developer } from '../../support/developer.ts';
import { HostedService } from '../../support/hostedService.ts';
import { QuotaWatch } from '../../support/quotaWatch.ts';
import { RelayCall, type Seen } from '../../support/relayCall.ts';
import { ScriptedUpstream, type ScriptedCall } from '../../support/scriptedUpstream.ts';

const PARALLEL = 200;
const BODY = { model: 'gpt-4o', max_tokens: 64, messages: [{ role: 'user', content: 'The last of the balance.' }] };
/** What each answered call turns out to use; a small part of its hold. */
const PROMPT_TOKENS = 10;
const COMPLETION_TOKENS = 6;
const PICOS_PER_TOKEN = 15_000_000n;
const COST = BigInt(PROMPT_TOKENS + COMPLETION_TOKENS) * PICOS_PER_TOKEN;

describe('the last of a balance', () => {
  let hosted: HostedService;
  let upstream: ScriptedUpstream;
  let developer: Developer;
  let key: string;
  /** Two of them on one database, as two processes would be: no lock inside a process can help. */
  let relays: readonly Service[];
  const agent = new Agent({ keepAlive: true });

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    hosted = await HostedService.start([{ name: 'scripted', baseUrl: upstream.baseUrl, models: ['gpt-4o'] }], {
      DEFAULT_CONCURRENCY: '1000',
      DEFAULT_REQUESTS_PER_MINUTE: '100000',
    });
    const another = await hosted.startAnother();
    relays = [hosted.service, another];
    developer = await Developer.register(hosted.baseUrl);
    key = (await developer.issueKey({ mode: 'live' })).key;
  });
  afterAll(async () => {
    agent.destroy();
    await hosted.dispose();
    await upstream.close();
  });

  /** Calls at once, and waits until the relay has decided about each: it is at the upstream or over. */
  async function callAtOnce(
    count: number,
  ): Promise<{ admitted: readonly ScriptedCall[]; calls: readonly Promise<Seen>[] }> {
    const before = upstream.calls.length;
    let over = 0;
    const calls = Array.from({ length: count }, (_, index) => {
      const { baseUrl } = relays[index % relays.length] ?? hosted;
      return new RelayCall({ baseUrl, key, agent }, BODY).seen;
    });
    for (const call of calls) void call.then(() => (over += 1));
    await vi.waitFor(() => expect(over + upstream.calls.length - before).toBe(count), { timeout: 20_000, interval: 5 });
    return { admitted: upstream.calls.slice(before), calls };
  }

  function answer(calls: readonly ScriptedCall[]): void {
    for (const call of calls) {
      call.answer(200, {
        id: 'chatcmpl-1',
        object: 'chat.completion',
        created: 1,
        model: 'gpt-4o',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
        usage: {
          prompt_tokens: PROMPT_TOKENS,
          completion_tokens: COMPLETION_TOKENS,
          total_tokens: PROMPT_TOKENS + COMPLETION_TOKENS,
        },
      });
    }
  }

  /** By the price book and the body alone, as the relay must size it. */
  async function holdOf(body: object): Promise<bigint> {
    const catalogue = new PriceCatalogue();
    const { events } = await hosted.service.core.store.readAll({ after: 0n, limit: 10, categories: ['pricebook'] });
    for (const recorded of events) {
      const event = decode(recorded);
      if (event) catalogue.apply(event);
    }
    const request = parseChatRequest(Buffer.from(JSON.stringify(body)), 64);
    const priced = catalogue.find(request.model, Date.now());
    if (!priced) throw new Error('the model has no price');
    return rateUpperBound(priced.price, promptInputBound(request.body).inputTokens, BODY.max_tokens);
  }

  it(`lets exactly 3 of ${String(PARALLEL)} parallel calls through when it covers exactly 3, and is never overspent`, async () => {
    const hold = await holdOf(BODY);
    const limit = 3n * hold;
    const account = developer.accounts.live;
    await hosted.setAccountLimits(account, { spendPerMonth: [{ currency: 'USD', picos: String(limit) }] });
    const position = await hosted.service.core.store.head();
    await Promise.all(relays.map(({ relay }) => relay.keyFollower.caughtUp(position)));
    await using watch = await QuotaWatch.start(hosted.books.pool, account, 'USD');

    const first = await callAtOnce(PARALLEL);
    expect(first.admitted).toHaveLength(3);
    answer(first.admitted);
    const seen = await Promise.all(first.calls);
    const completed = seen.filter(({ status }) => status === 200);
    expect(completed.map(({ picos }) => picos)).toEqual([COST, COST, COST]);
    const refused = seen.filter(({ status }) => status !== 200);
    expect(refused).toHaveLength(PARALLEL - 3);
    for (const { status, code, headers } of refused) {
      expect({ status, code, retry: headers['x-should-retry'] }).toEqual({
        status: 429,
        code: 'insufficient_quota',
        retry: 'false',
      });
    }
    await hosted.books.nothingHeld(5_000);

    // What the calls did not use of their holds is free again, and no more than that.
    let used = 3n * COST;
    for (let rounds = 0; used + hold <= limit; rounds += 1) {
      expect(rounds).toBeLessThan(100);
      const fitting = Number((limit - used) / hold);
      const { admitted, calls } = await callAtOnce(fitting + 20);
      expect(admitted).toHaveLength(fitting);
      answer(admitted);
      expect((await Promise.all(calls)).filter(({ status }) => status === 200)).toHaveLength(fitting);
      await hosted.books.nothingHeld(5_000);
      used += BigInt(fitting) * COST;
    }
    const { admitted, calls } = await callAtOnce(1);
    expect(admitted).toEqual([]);
    expect(await calls[0]).toMatchObject({ status: 429, code: 'insufficient_quota' });

    const { committed, seen: polled } = await watch.stop();
    expect(committed.filter((state) => state.used + state.held > limit)).toEqual([]);
    expect(polled.filter((state) => state.used + state.held > limit)).toEqual([]);
    expect(committed).toContainEqual({ used: 0n, held: limit });
    expect(committed.at(-1)).toEqual({ used, held: 0n });
    expect(polled.length).toBeGreaterThan(100);
    const recorded = await hosted.books.eachSettledOnce();
    expect([...recorded.values()].map(({ heldPicos }) => heldPicos)).toEqual(upstream.calls.map(() => hold));
    await hosted.books.inOrder();
  });
});
