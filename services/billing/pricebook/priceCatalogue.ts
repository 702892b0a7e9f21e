import type { DomainEvent } from '../../../events/codec.ts';
import type { Currency } from '../../../events/money.ts';
import type { ModelPrice, PriceBookPublished } from '../../../events/pricebook/pricebook.events.ts';
import { recordedEntry, requestedEntry } from './recordedModel.ts';

/** A model with the price that one price book gives it. */
export interface PricedModel {
  readonly model: string;
  readonly currency: Currency;
  readonly priceVersion: string;
  readonly price: ModelPrice['price'];
  /** The most output a call may ask for, and what is held when it does not say. */
  readonly maxOutputTokens: number;
  /** The price is also that of `model:tag`, for every tag that has no entry of its own. */
  readonly matchesTags?: true | undefined;
}

interface Card {
  readonly from: number;
  readonly models: ReadonlyMap<string, PricedModel>;
}

/**
 * Every price book of the log, in memory; a follower applies events in log order. One whole book is in force at a time:
 * the one with the latest `effectiveFrom` that has come, of equals the later published. A model it does not name has no price.
 */
export class PriceCatalogue {
  /** By `effectiveFrom`, equals in log order. */
  readonly #cards: Card[] = [];
  readonly #versions = new Map<string, Card>();
  #current: { readonly card: Card | null; readonly from: number; readonly until: number } | null = null;

  /** Takes a price book in; ignores other events, and a book that it has already. */
  apply(event: DomainEvent): void {
    if (event.type !== 'PriceBookPublished' || this.#versions.has(event.priceVersion)) return;
    const card = toCard(event);
    this.#versions.set(event.priceVersion, card);
    const later = this.#cards.findIndex((other) => other.from > card.from);
    this.#cards.splice(later < 0 ? this.#cards.length : later, 0, card);
    this.#current = null;
  }

  /**
   * The price in force at an instant (epoch milliseconds) for a model that a client asks for, null when there is none.
   * Of a model that is priced as its family, `model` is the family's name. Two look-ups while no new book comes into force.
   */
  find(model: string, nowMs: number): PricedModel | null {
    const card = this.#cardAt(nowMs);
    return card && requestedEntry(card.models, model);
  }

  /** The price that a version gives the name under which usage is recorded, in force or not. */
  at(priceVersion: string, model: string): PricedModel | null {
    const card = this.#versions.get(priceVersion);
    return card ? recordedEntry(card.models, model) : null;
  }

  /** Every model of the book in force at an instant, sorted by name. */
  models(nowMs: number): readonly PricedModel[] {
    return [...(this.#cardAt(nowMs)?.models.values() ?? [])];
  }

  #cardAt(nowMs: number): Card | null {
    const current = this.#current;
    if (current && nowMs >= current.from && nowMs < current.until) return current.card;
    const next = this.#cards.findIndex((card) => card.from > nowMs);
    const index = next < 0 ? this.#cards.length - 1 : next - 1;
    const card = this.#cards[index] ?? null;
    this.#current = { card, from: card?.from ?? -Infinity, until: this.#cards[index + 1]?.from ?? Infinity };
    return card;
  }
}

function toCard(event: PriceBookPublished): Card {
  const { priceVersion } = event;
  return {
    from: Date.parse(event.effectiveFrom),
    models: new Map(event.models.map((entry) => [entry.model, { ...entry, priceVersion }])),
  };
}
