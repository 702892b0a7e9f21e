/**
 * What the usual models are metered by, where the names say it. A provider's own report always holds before this; it
 * decides what is held, and what is estimated when nothing was reported.
 */

/** Sold by the image, the character or the second: no tokens need be held. */
export function hasNoTokens(model: string): boolean {
  return /whisper|dall-e|(^|\/)tts-1/i.test(model);
}

/** Sold by the token, so that an answer without a report must not be free. */
export function isSoldByToken(model: string): boolean {
  return /(^|\/)(chat)?gpt-/i.test(model);
}
