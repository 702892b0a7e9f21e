import { Agent } from 'node:http';
import { expect, it, vi } from 'vitest';
import { parseChatRequest } from '../../services/relay/dialects/openai/chatRequest.ts';
import { promptInputBound } from '../../services/relay/dialects/openai/promptSize.ts';
import { Developer, type IssuedKey } from '../support/developer.ts';
import { describeWith } from '../support/engines.ts';
import { Installation } from '../support/installation.ts';
import { RelayCall, type Seen } from '../support/relayCall.ts';
import { ScriptedUpstream, type ScriptedCall } from '../support/scriptedUpstream.ts';

const BODY = { model: 'gpt-4o', max_tokens: 64, messages: [{ role: 'user', content: 'The last of the balance.' }] };
const HELD =
  promptInputBound(parseChatRequest(Buffer.from(JSON.stringify(BODY)), 64).body).inputTokens + BODY.max_tokens;

/** Two relays, a projector and a worker, and a developer with a live key. */
class World implements AsyncDisposable {
  readonly installation: Installation;
  readonly upstream: ScriptedUpstream;
  readonly developer: Developer;
  readonly key: IssuedKey;
  readonly #agent = new Agent({ keepAlive: true });

  static async start(settings: Readonly<Record<string, string>>): Promise<World> {
    const upstream = await ScriptedUpstream.start();
    const installation = await Installation.start({
      channels: [{ name: 'scripted', baseUrl: upstream.baseUrl, models: ['gpt-4o'], maxConnections: 500 }],
      settings: { DEFAULT_REQUESTS_PER_MINUTE: '100000', ...settings },
      roles: ['projector', 'worker', 'relay', 'relay'],
    });
    const developer = await Developer.register(installation.of('relay')[0]?.baseUrl ?? '');
    return new World(installation, upstream, developer, await developer.issueKey({ mode: 'live' }));
  }

  private constructor(installation: Installation, upstream: ScriptedUpstream, developer: Developer, key: IssuedKey) {
    this.installation = installation;
    this.upstream = upstream;
    this.developer = developer;
    this.key = key;
  }

  /** One call through a relay. */
  call(relay: number): Promise<Seen> {
    const baseUrl = this.installation.of('relay')[relay]?.baseUrl ?? '';
    return new RelayCall({ baseUrl, key: this.key.key, agent: this.#agent }, BODY).seen;
  }

  /** Calls at once, half of them through each relay, and waits until each is at the upstream or over. */
  async callAtOnce(count: number) {
    const before = this.upstream.calls.length;
    let over = 0;
    const calls = Array.from({ length: count }, (_, index) => this.call(index % 2));
    for (const call of calls) void call.then(() => (over += 1));
    const decided = () => over + this.upstream.calls.length - before;
    await vi.waitFor(() => expect(decided()).toBe(count), { timeout: 20_000, interval: 5 });
    return { admitted: this.upstream.calls.slice(before), seen: Promise.all(calls) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.installation.dispose();
    await this.upstream.close();
  }
}

function answer(call: ScriptedCall): void {
  call.answer(200, {
    ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o' },
    choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 10, completion_tokens: 6, total_tokens: 16 },
  });
}

/** How often each status and error code came. */
function tally(seen: readonly Seen[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status, code } of seen) {
    const name = `${String(status)} ${code ?? ''}`.trim();
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

describeWith('redis', 'two relays on one PostgreSQL and one Redis', (redis) => {
  it('let 3 of 200 parallel calls through when the balance covers exactly 3', async () => {
    await using world = await World.start({
      REDIS_URL: redis,
      DEFAULT_CONCURRENCY: '1000',
      DEFAULT_TOKENS_PER_MONTH: String(3 * HELD),
    });
    const { admitted, seen } = await world.callAtOnce(200);
    expect(admitted).toHaveLength(3);
    admitted.forEach(answer);
    expect(tally(await seen)).toEqual({ '200': 3, '429 insufficient_quota': 197 });
    await world.installation.books.nothingHeld(10_000);
  });

  it('never have more than ten calls of a key at the upstream when ten is the cap', async () => {
    await using world = await World.start({
      REDIS_URL: redis,
      DEFAULT_CONCURRENCY: '10',
      DEFAULT_TOKENS_PER_MONTH: '1000000000',
    });
    for (let wave = 0; wave < 3; wave += 1) {
      const { admitted, seen } = await world.callAtOnce(200);
      expect(admitted).toHaveLength(10);
      admitted.forEach(answer);
      expect(tally(await seen)).toEqual({ '200': 10, '429 concurrency_exceeded': 190 });
      await world.installation.books.nothingHeld(10_000);
    }
  });

  it('both refuse a key within a second after it was revoked on one', async () => {
    await using world = await World.start({ REDIS_URL: redis });
    world.upstream.otherwise(answer);
    expect([await world.call(0), await world.call(1)].map(({ status }) => status)).toEqual([200, 200]);
    const revokedAt = performance.now();
    expect((await world.developer.call('DELETE', `/keys/keys/${world.key.id}`)).status).toBe(200);
    await vi.waitFor(async () => expect((await world.call(1)).status).toBe(401), { timeout: 1_000, interval: 5 });
    expect(performance.now() - revokedAt).toBeLessThan(1_000);
    expect((await world.call(0)).status).toBe(401);
  });
});
