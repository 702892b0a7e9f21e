import { boundedCount } from '../../tokens/boundedCount.ts';

/** Beyond, texts are counted by their characters; the simulation shares its event loop with the relay. */
const MAX_EXACT_CHARACTERS = 10_000;

/** Tokens of all texts together. */
export function countTexts(texts: readonly string[]): number {
  return boundedCount(texts, MAX_EXACT_CHARACTERS).reduce((sum, count) => sum + count, 0);
}
