import { decode, encode, type DomainEvent } from '../../../events/codec.ts';
import type { EventStore } from '../../../events/eventStore.ts';
import { accountStream, requestStream } from '../../../events/ids.ts';
import type { Mode } from '../../../events/envelope.ts';
import { inputTokens, type UsageVector } from '../../../events/meters.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import type { ClosingPorts } from '../../../services/billing/invoicing/closePeriod.ts';
import { InvoiceNumbers } from '../../../services/billing/invoicing/invoiceNumbers.ts';
import type { BillingWindow, LineRequests, UsageFact, UsageFacts } from '../../../services/billing/ports.ts';
import { PriceBooks } from '../../../services/billing/pricebook/priceBooks.ts';
import { publishPriceBook } from '../../../services/billing/pricebook/publishPriceBook.ts';
import { charge } from '../../../services/billing/rating/charge.ts';
import { rate } from '../../../services/billing/rating/rate.ts';
import { accountOpened, requestAccepted, requestIdOf, usageCorrected, usageRecorded } from '../../support/events.ts';

export const ACCOUNT = 'acct_live1';

/** A clock that stands still. */
export function atTime(instant: string) {
  return { clock: { now: () => Date.parse(instant), monotonic: () => 0 } };
}

const PRICES = {
  effectiveFrom: '2026-01-01T00:00:00.000Z',
  models: [
    { model: 'gpt-4o-mini', currency: 'USD', perThousand: '0.00015' },
    { model: 'meters', currency: 'USD', perMillion: { uncachedInput: '2.50', cacheRead: '1.25', outputText: '10' } },
    { model: 'llama2', currency: 'CNY', perThousand: '0.002', matchesTags: true },
    { model: 'free', currency: 'USD', perThousand: '0' },
    {
      model: 'long',
      currency: 'USD',
      perMillion: { uncachedInput: '1.25', outputText: '10' },
      longContext: [
        { aboveInputTokens: 1_000, perMillion: { uncachedInput: '2.50', outputText: '15' } },
        { aboveInputTokens: 5_000, perMillion: { uncachedInput: '5.00' } },
      ],
      variants: { batch: { perMillion: { uncachedInput: '0.625', outputText: '5' }, longContext: [] } },
    },
    {
      model: 'painter',
      currency: 'USD',
      perMillion: '0',
      perUnit: { images: '0.12' },
      variants: { 'standard:1024x1024': { perUnit: { images: '0.04' } } },
    },
    { model: 'speaker', currency: 'USD', perThousand: { uncachedInput: '0', outputText: '0', characters: '0.015' } },
    { model: 'listener', currency: 'USD', perMillion: '0', perMinute: { seconds: '0.006' } },
    { model: 'ranker', currency: 'USD', perMillion: '0', perUnit: { requests: '0.002' } },
  ],
};

interface Use {
  readonly at: string;
  readonly usage: UsageVector;
  readonly model?: string;
  readonly variant?: string;
  readonly keyId?: string;
  readonly accountId?: string;
  readonly mode?: Mode;
}

/** A store with prices and an account, and calls that are rated as the relay rates them. */
export class World {
  readonly store: EventStore;
  readonly priceVersion: string;
  readonly #prices: PriceBooks;
  readonly #recorded = new Map<string, ReturnType<typeof usageRecorded>>();

  private constructor(store: EventStore, priceVersion: string, prices: PriceBooks) {
    this.store = store;
    this.priceVersion = priceVersion;
    this.#prices = prices;
  }

  static async create(
    account: { readonly zone?: string; readonly mode?: Mode; readonly occurredAt?: string } = {},
    store: EventStore = new MemoryEventStore(),
  ): Promise<World> {
    const { priceVersion } = await publishPriceBook(store, PRICES, atTime('2026-01-01T00:00:00.000Z'));
    const prices = new PriceBooks(store);
    await prices.load([priceVersion]);
    const world = new World(store, priceVersion, prices);
    await world.openAccount(ACCOUNT, account);
    return world;
  }

  async openAccount(accountId: string, change: Parameters<typeof accountOpened>[0] = {}): Promise<void> {
    const event = accountOpened({ occurredAt: '2026-11-01T00:00:00.000Z', ...change, accountId });
    await this.append(accountStream(accountId), event);
  }

  /** One call; returns what it was charged. */
  async use(name: string | number, { at, usage: measured, model = 'gpt-4o-mini', variant, keyId, ...others }: Use) {
    const priced = this.#prices.price(this.priceVersion, model);
    if (!priced) throw new Error(`no price for ${model}`);
    const charged = charge(priced.price, model, { usage: measured, source: 'reported' }, variant ?? null);
    const event = usageRecorded({
      requestId: requestIdOf(name),
      occurredAt: at,
      accountId: ACCOUNT,
      ...others,
      ...(keyId === undefined ? {} : { keyId }),
      model: charged.model,
      usage: charged.usage,
      currency: priced.currency,
      priceVersion: this.priceVersion,
      amountPicos: charged.picos.toString(),
    });
    const { requestId, accountId, occurredAt, mode: callMode, priceVersion, currency } = event;
    const call = {
      requestId,
      accountId,
      occurredAt,
      mode: callMode,
      priceVersion,
      currency,
      model,
      keyId: event.keyId,
    };
    this.#recorded.set(requestId, event);
    await this.append(requestStream(requestId), requestAccepted(call), event);
    return event;
  }

  /** A better figure for an earlier call. */
  async correct(name: string | number, { at, usage }: Pick<Use, 'at' | 'usage'>) {
    const before = this.#recorded.get(requestIdOf(name));
    const priced = before && this.#prices.price(before.priceVersion, before.model);
    if (!before || !priced) throw new Error(`no call ${String(name)}`);
    const { requestId, keyId, model, mode, priceVersion, currency, accountId, source } = before;
    const event = usageCorrected({
      occurredAt: at,
      ...{ requestId, keyId, model, mode, priceVersion, currency, accountId },
      correctsEventId: before.eventId,
      previous: { usage: before.usage, source, amountPicos: before.amountPicos },
      corrected: { usage, source, amountPicos: rate(priced.price, usage).toString() },
    });
    await this.append(requestStream(requestId), event);
    return event;
  }

  async append(stream: string, ...events: readonly DomainEvent[]): Promise<bigint> {
    const [last] = await this.store.readStream(stream, { direction: 'backwards', limit: 1 });
    const result = await this.store.append({
      stream,
      expected: last?.revision ?? 'no_stream',
      events: events.map(encode),
    });
    if (result.outcome !== 'appended') throw new Error(`${stream}: ${result.outcome}`);
    return result.position;
  }

  /** The ports of a closer that works on `store`, at an instant. */
  closing(now: string, store: EventStore = this.store): ClosingPorts {
    return {
      store,
      facts: factsOf(this.store),
      readModels: { caughtUp: () => Promise.resolve(), isParked: () => Promise.resolve(false) },
      numbers: new InvoiceNumbers(store),
      ...atTime(now),
    };
  }

  /** Every event of the log, decoded, in order. */
  async events(): Promise<readonly DomainEvent[]> {
    const { events } = await this.store.readAll({ after: 0n, limit: 100_000 });
    return events.flatMap((recorded) => decode(recorded) ?? []);
  }

  async eventsOf<T extends DomainEvent['type']>(type: T): Promise<readonly Extract<DomainEvent, { type: T }>[]> {
    return (await this.events()).filter((event): event is Extract<DomainEvent, { type: T }> => event.type === type);
  }
}

/** The read model's answer, straight from the log: every fact of the window by request id, in pages of three. */
export function factsOf(store: EventStore): UsageFacts {
  return {
    async *read(window) {
      const facts = await allFacts(store, window);
      for (let from = 0; from < facts.length; from += 3) yield facts.slice(from, from + 3);
    },
  };
}

export function lineRequestsOf(store: EventStore): LineRequests {
  return {
    async idsOf(window, { keyId, model, meter, priceVersion, currency }, ranges = [{ above: -1, upTo: null }]) {
      const facts = (await allFacts(store, window)).filter(
        (fact) =>
          fact.keyId === keyId &&
          fact.model === model &&
          fact.priceVersion === priceVersion &&
          fact.currency === currency &&
          (fact.usage[meter] ?? 0) !== 0 &&
          ranges.some(({ above, upTo }) => {
            const tokens = Math.abs(inputTokens(fact.usage));
            return tokens > above && (upTo === null || tokens <= upTo);
          }),
      );
      return [...new Set(facts.map((fact) => fact.requestId))];
    },
  };
}

async function allFacts(store: EventStore, { accountId, upTo, after }: BillingWindow): Promise<UsageFact[]> {
  const facts: UsageFact[] = [];
  const { events } = await store.readAll({ after: 0n, limit: 100_000 });
  for (const recorded of events) {
    const event = decode(recorded);
    if (event?.accountId !== accountId || (event.type !== 'UsageRecorded' && event.type !== 'UsageCorrected')) continue;
    if (event.occurredAt >= upTo.end || recorded.position > upTo.cutoff) continue;
    if (after && event.occurredAt < after.end && recorded.position <= after.cutoff) continue;
    const { requestId, keyId, model, mode, priceVersion, currency } = event;
    const call = { requestId, keyId, model, mode, priceVersion, currency };
    if (event.type === 'UsageRecorded') {
      facts.push({ ...call, usage: event.usage, amount: BigInt(event.amountPicos) });
      continue;
    }
    const { previous, corrected } = event;
    const reversed = Object.fromEntries(Object.entries(previous.usage).map(([meter, tokens]) => [meter, -tokens]));
    facts.push({ ...call, usage: reversed, amount: -BigInt(previous.amountPicos) });
    facts.push({ ...call, usage: corrected.usage, amount: BigInt(corrected.amountPicos) });
  }
  return facts.toSorted((a, b) => Number(a.requestId > b.requestId) - Number(a.requestId < b.requestId));
}
