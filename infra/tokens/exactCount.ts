import { countTokens, setMergeCacheSize } from 'gpt-tokenizer/encoding/o200k_base';

/** Text such as `<|endoftext|>` is what a client wrote, not a control token, and must not throw. */
const AS_PLAIN_TEXT = { disallowedSpecial: new Set<string>() };

/**
 * The tokenizer is quadratic in the length of one unbroken run. Cut at 2 000 characters, the worst input measured
 * (random Han characters) costs 3.6 µs per character, prose 0.02 µs.
 */
const MAX_RUN = 2_000;

/** Remembered merges hold text of up to MAX_RUN characters and as many numbers: some 40 MB at worst. */
setMergeCacheSize(2_000);

/**
 * Tokens of a text in o200k_base; never throws. Exact, but for runs of more than 2 000 characters without white space
 * (or of nothing else), which are counted in pieces. Blocks while it counts.
 */
export function exactCount(text: string): number {
  if (text.length <= MAX_RUN) return countTokens(text, AS_PLAIN_TEXT);
  let tokens = 0;
  let pieceStart = 0;
  let runStart = 0;
  let runIsSpace = isSpace(text.charCodeAt(0));
  for (let at = 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const space = isSpace(code);
    if (space !== runIsSpace) {
      runStart = at;
      runIsSpace = space;
    } else if (at - runStart >= MAX_RUN && !isLowSurrogate(code)) {
      tokens += countTokens(text.slice(pieceStart, at), AS_PLAIN_TEXT);
      pieceStart = at;
      runStart = at;
    }
  }
  return tokens + countTokens(text.slice(pieceStart), AS_PLAIN_TEXT);
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0xa0 || code === 0x3000 || code === 0x2028;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
