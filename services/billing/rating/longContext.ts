import { perMeterUnitPrice, type MeterPrices } from './perMeter.ts';
import type { Meter } from '../../../events/meters.ts';

/** Prices per meter, with others for calls whose input is longer than a threshold. */
export interface LengthPrices extends MeterPrices {
  readonly longContext?: readonly (MeterPrices & { readonly aboveInputTokens: number })[] | undefined;
}

/** Calls whose input tokens are more than `above` and at most `upTo`; null: without end. */
export interface InputRange {
  readonly above: number;
  readonly upTo: number | null;
}

/**
 * What every token of a call with this much input is priced by: the meters of the highest threshold that it exceeds,
 * laid over the card's own.
 */
export function pricesAtLength(card: LengthPrices, inputTokens: number): MeterPrices {
  let reached: (MeterPrices & { readonly aboveInputTokens: number }) | null = null;
  for (const tier of card.longContext ?? []) {
    if (inputTokens <= tier.aboveInputTokens) continue;
    if (!reached || tier.aboveInputTokens > reached.aboveInputTokens) reached = tier;
  }
  return reached ? { meters: { ...card.meters, ...reached.meters } } : card;
}

/** Every set of prices that a call with at most this much input may come to. */
export function pricesUpToLength(card: LengthPrices, inputTokens: number): readonly MeterPrices[] {
  if (!card.longContext) return [card];
  const within = rangesOf(card).filter(({ above }) => above < inputTokens);
  return [card, ...within.map(({ above }) => pricesAtLength(card, above + 1))];
}

/** Which calls pay this price for a unit of a meter. Neighbouring ranges may both be in it. */
export function rangesPaying(card: LengthPrices, meter: Meter, unitPrice: number): readonly InputRange[] {
  return rangesOf(card).filter(({ above }) => perMeterUnitPrice(pricesAtLength(card, above + 1), meter) === unitPrice);
}

/** From no input on, each range as long as one set of prices holds. */
function rangesOf(card: LengthPrices): readonly InputRange[] {
  const starts = [-1, ...(card.longContext ?? []).map(({ aboveInputTokens }) => aboveInputTokens)];
  const above = [...new Set(starts)].toSorted((a, b) => a - b);
  return above.map((start, index) => ({ above: start, upTo: above[index + 1] ?? null }));
}
