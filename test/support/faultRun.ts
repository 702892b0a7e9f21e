import { Agent } from 'node:http';
import { expect, vi } from 'vitest';
import type { PartRole } from '../../services/wiring/roles.ts';
import { Developer } from './developer.ts';
import { Installation } from './installation.ts';
import { RelayCall, type Seen } from './relayCall.ts';
import { ScriptedUpstream, type ScriptedCall } from './scriptedUpstream.ts';

const LANES = 6;
/** As if a model worked; it also paces the load. */
const UPSTREAM_MS = 25;
const BODY = { model: 'gpt-4o', max_tokens: 64, messages: [{ role: 'user', content: 'Whatever happens.' }] };

/** Two relays under load with everything behind them, of which a test breaks a part; at the end the books must be exact. */
export class FaultRun implements AsyncDisposable {
  readonly installation: Installation;
  readonly #upstream: ScriptedUpstream;
  readonly #developer: Developer;
  readonly #key: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #seen: Seen[] = [];
  readonly #load: Promise<unknown>;
  #stopped = false;

  static async start(
    settings: Readonly<Record<string, string>>,
    roles: readonly PartRole[] = ['projector', 'worker', 'relay', 'relay'],
  ): Promise<FaultRun> {
    const upstream = await ScriptedUpstream.start();
    upstream.otherwise((call) => void setTimeout(answer, UPSTREAM_MS, call, upstream.calls.length));
    const installation = await Installation.start({
      channels: [{ name: 'scripted', baseUrl: upstream.baseUrl, models: ['gpt-4o'], maxConnections: 500 }],
      settings: {
        ...{ LOG_LEVEL: 'fatal', OWNER_LEASE_MS: '3000', REAPER_INTERVAL_MS: '200' },
        ...{
          DEFAULT_TOKENS_PER_MONTH: '1000000000',
          DEFAULT_REQUESTS_PER_MINUTE: '1000000',
          DEFAULT_CONCURRENCY: '1000',
        },
        ...settings,
      },
      roles,
    });
    const developer = await Developer.register(installation.of('relay')[0]?.baseUrl ?? '');
    return new FaultRun(installation, upstream, developer, (await developer.issueKey({ mode: 'live' })).key);
  }

  private constructor(installation: Installation, upstream: ScriptedUpstream, developer: Developer, key: string) {
    this.installation = installation;
    this.#upstream = upstream;
    this.#developer = developer;
    this.#key = key;
    this.#load = Promise.all(Array.from({ length: LANES }, (_, lane) => this.#callAgainAndAgain(lane)));
  }

  /** Calls that clients saw come to their end as they should. */
  get completed(): number {
    return this.#seen.filter(({ status, complete }) => status === 200 && complete).length;
  }

  /** Resolves when so many more calls have come through. */
  async completes(more: number, timeoutMs = 30_000): Promise<void> {
    const goal = this.completed + more;
    await vi.waitFor(() => expect(this.completed).toBeGreaterThanOrEqual(goal), { timeout: timeoutMs, interval: 20 });
  }

  /**
   * Ends the load and asserts that nothing is held, that each call was settled once at the price that its client was
   * told, that the invoice is their sum and can be made again from events, and that every read model equals one that
   * nothing ever happened to: filled from the record, by one process, at one go.
   */
  async expectExactBooks(): Promise<void> {
    this.#stopped = true;
    await this.#load;
    const { books } = this.installation;
    await books.nothingHeld(60_000);
    const recorded = await books.eachSettledOnce();
    const complete = this.#seen.filter(({ complete, requestId }) => complete && requestId !== null);
    const wrong = complete.flatMap(({ status, requestId, picos, body }) => {
      const charged = recorded.get(requestId ?? '')?.picos ?? (status === 200 ? null : 0n);
      return charged === (picos ?? 0n) ? [] : [{ status, requestId, picos, charged, body }];
    });
    expect(wrong).toEqual([]);
    await books.projected(60_000);
    const total = [...recorded.values()].reduce((sum, { picos }) => sum + picos, 0n);
    const invoices = await books.invoiced(this.#developer.accounts.live);
    expect(invoices.map(({ exactTotalPicos }) => exactTotalPicos)).toEqual([String(total)]);
    await books.inOrder();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#agent.destroy();
    await this.installation.dispose();
    await this.#load;
    await this.#upstream.close();
  }

  async #callAgainAndAgain(lane: number): Promise<void> {
    const relays = this.installation.of('relay');
    const baseUrl = relays[lane % relays.length]?.baseUrl ?? '';
    while (!this.#stopped) {
      const { seen } = new RelayCall({ baseUrl, key: this.#key, agent: this.#agent }, BODY);
      this.#seen.push(await seen);
      // Whoever is refused does not come again at once.
      if ((await seen).status !== 200) await new Promise((resolve) => setTimeout(resolve, UPSTREAM_MS));
    }
  }
}

/** Usage differs from call to call, so that a mix-up of two calls would show. */
function answer(call: ScriptedCall, number: number): void {
  const prompt = 10 + (number % 7);
  const completion = 1 + (number % 61);
  call.answer(200, {
    ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o' },
    choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
  });
}
