/**
 * Tokens of a text by its characters alone: Latin letters ÷ 4, digits ÷ 2.5, CJK and everything above it × 0.85, other
 * symbols × 0.5, white space free; rounded up. Measured within a third of the tokenizer on prose, JSON and Chinese.
 * Linear and without a vocabulary.
 */
export function estimateByCharacters(text: string): number {
  let letters = 0;
  let digits = 0;
  let wide = 0;
  let others = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code <= 0x20) continue;
    else if (isLatinLetter(code)) letters += 1;
    else if (code >= 0x30 && code <= 0x39) digits += 1;
    else if (code >= 0x2e80) wide += 1;
    else others += 1;
  }
  return Math.ceil(letters / 4 + digits / 2.5 + wide * 0.85 + others * 0.5);
}

function isLatinLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || (code >= 0xc0 && code <= 0x24f);
}
