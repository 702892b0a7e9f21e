import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { PriceBookPublished } from '../../../events/pricebook/pricebook.events.ts';

export type PriceBookContent = Pick<PriceBookPublished, 'effectiveFrom' | 'models'>;

/** The name of a price book: SHA-256, as hex, of the canonical JSON (RFC 8785) of its content. */
export function priceVersionOf({ effectiveFrom, models }: PriceBookContent): string {
  const canonical = canonicalize({ effectiveFrom, models });
  if (canonical === undefined) throw new TypeError('a price book has no canonical form');
  return hash('sha256', canonical);
}
