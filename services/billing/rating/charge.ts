import type { UsageSource, UsageVector } from '../../../events/meters.ts';
import type { Picos } from '../../../events/money.ts';
import { recordedModel } from '../pricebook/recordedModel.ts';
import { cardOf, microsPerMillion, priceOfVariant, type Price } from './card.ts';
import { rate } from './rate.ts';

/** What `UsageRecorded` states of a call. Anyone finds the same amount from these and the price version. */
export interface Charge {
  readonly model: string;
  readonly usage: UsageVector;
  readonly picos: Picos;
}

/**
 * What a call is charged. `variant` is what it turned out to be (`hd:1024x1792`, `batch`), null for nothing special; one
 * that the price does not name costs what the model costs. Where requests have a price, a call that gave something
 * counts as one.
 */
export function charge(
  price: Price,
  requested: string,
  measured: { readonly usage: UsageVector; readonly source: UsageSource },
  variant: string | null = null,
): Charge {
  const usage = withRequest(priceOfVariant(price, variant), measured.usage, measured.source);
  return { model: recordedModel(price, requested, variant), usage, picos: rate(price, usage, variant) };
}

function withRequest(price: Price, usage: UsageVector, source: UsageSource): UsageVector {
  const gave = source !== 'none' && source !== 'unknown';
  if (!gave || usage.requests !== undefined || microsPerMillion(cardOf(price, usage), 'requests') === 0) return usage;
  return { ...usage, requests: 1 };
}
