import { estimateByCharacters } from './estimateByCharacters.ts';
import { exactCount } from './exactCount.ts';

/**
 * Tokens of each text, in order. The first `maxCharacters` over all texts are tokenized; what lies beyond is estimated by
 * its characters, in the proportion that the tokenized part of the same text showed.
 */
export function boundedCount(texts: readonly string[], maxCharacters: number): number[] {
  let left = maxCharacters;
  return texts.map((text) => {
    const head = text.length <= left ? text : text.slice(0, left);
    left -= head.length;
    const exact = head === '' ? 0 : exactCount(head);
    if (head.length === text.length) return exact;
    const estimatedHead = estimateByCharacters(head);
    const scale = estimatedHead === 0 ? 1 : exact / estimatedHead;
    return exact + Math.ceil(estimateByCharacters(text.slice(head.length)) * scale);
  });
}
