import { priceOfVariant, variantIn, type Price } from '../rating/card.ts';

/** Names with a variant stay within the 200 characters that events allow for a model: 135, a `#`, and a label of 64. */
export const MAX_BASE_NAME = 135;
const MARK = '#';
const TAG = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

interface Entry {
  readonly price: Price;
  readonly matchesTags?: true | undefined;
}

/** The entry for a model that a client asks for: its own, else that of its family, which is what stands before `:tag`. Never a variant. */
export function requestedEntry<E extends Entry>(models: ReadonlyMap<string, E>, requested: string): E | null {
  const own = models.get(requested);
  if (own) return own;
  const colon = requested.indexOf(':');
  if (colon <= 0 || requested.length > MAX_BASE_NAME || !TAG.test(requested.slice(colon + 1))) return null;
  const family = models.get(requested.slice(0, colon));
  return family?.matchesTags ? family : null;
}

/** The entry that usage recorded under this name was priced by, with the price of its variant. */
export function recordedEntry<E extends Entry>(models: ReadonlyMap<string, E>, recorded: string): E | null {
  const own = requestedEntry(models, recorded);
  if (own) return own;
  const mark = recorded.lastIndexOf(MARK);
  const entry = mark < 0 ? null : requestedEntry(models, recorded.slice(0, mark));
  const price = entry && variantIn(entry.price, recorded.slice(mark + 1));
  return entry && price && { ...entry, price };
}

/** The name under which usage is recorded: `model#variant` when the price names the variant, else the model. */
export function recordedModel(price: Price, requested: string, variant: string | null): string {
  const named = variant !== null && priceOfVariant(price, variant) !== price;
  return named ? `${requested}${MARK}${variant}` : requested;
}

/** A model of this name could be taken for a variant of another. */
export function looksLikeVariant(model: string): boolean {
  return model.includes(MARK);
}
