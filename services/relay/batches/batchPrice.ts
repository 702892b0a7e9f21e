import { priceOfVariant, type Price } from '../../billing/rating/card.ts';
import { ApiError } from '../../http/errors.ts';

/** What a price book names the price of a batch's calls, where it has one for them. */
export const BATCH_VARIANT = 'batch';

/**
 * A batch is billed as one quantity, the sum of its lines. That is right only where a line costs the same alone as in
 * the sum. Throws ApiError `invalid_request` for a model whose price depends on the length of a prompt.
 */
export function assertLinear(price: Price): void {
  const card = priceOfVariant(price, BATCH_VARIANT);
  if ('blended' in card || !card.longContext) return;
  throw new ApiError('invalid_request', {
    detail: 'The price of this model depends on the length of each prompt, so it cannot be used in a batch.',
    param: 'input_file_id',
  });
}
