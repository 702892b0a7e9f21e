import type { IncomingHttpHeaders } from 'node:http';

/**
 * Where a key may stand, in the order in which places are looked at. The first place that holds anything decides: two
 * different keys are never tried in turn.
 */
export type KeyPlaces = readonly KeyPlace[];
export type KeyPlace =
  | { readonly header: 'authorization' | 'x-api-key' | 'api-key' | 'x-goog-api-key' }
  | { readonly query: 'key' | 'api_key' };

const HEADERS = [
  { header: 'authorization' },
  { header: 'x-api-key' },
  { header: 'api-key' },
  { header: 'x-goog-api-key' },
] as const satisfies KeyPlaces;

export const USUAL_PLACES: KeyPlaces = HEADERS;
/** Anthropic's clients that send both mean the first. */
export const CLAUDE_PLACES: KeyPlaces = [{ header: 'x-api-key' }, ...HEADERS];
export const GEMINI_PLACES: KeyPlaces = [...HEADERS, { query: 'key' }];
export const HUB_PLACES: KeyPlaces = [...HEADERS, { query: 'api_key' }];

/** The key that a caller presents; null for none. `Bearer` may be left out. */
export function presentedKey(headers: IncomingHttpHeaders, query: URLSearchParams, places: KeyPlaces): string | null {
  for (const place of places) {
    const found = 'header' in place ? headers[place.header] : query.get(place.query);
    if (typeof found === 'string') return found.replace(/^Bearer +/i, '').trim();
  }
  return null;
}
