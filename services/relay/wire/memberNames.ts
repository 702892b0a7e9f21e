const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * The member names of an object as they stand in its JSON text, in order and repeated ones too, which a parser hides.
 * `source` must be valid JSON. Linear in its length.
 */
export function memberNames(source: string): string[] {
  const names: string[] = [];
  let depth = 0;
  let nameNext = false;
  for (let index = 0; index < source.length; index += 1) {
    const code = source.charCodeAt(index);
    if (code === QUOTE) {
      const end = stringEnd(source, index);
      if (depth === 1 && nameNext) names.push(JSON.parse(source.slice(index, end)) as string);
      nameNext = false;
      index = end - 1;
    } else if (code === COMMA) nameNext = true;
    else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      nameNext = true;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return names;
}

/** The index after the closing quote of the string that begins at `start`, or the end of a text that never closes it. */
export function stringEnd(source: string, start: number): number {
  let quote = source.indexOf('"', start + 1);
  while (quote >= 0 && isEscaped(source, quote)) quote = source.indexOf('"', quote + 1);
  return quote < 0 ? source.length : quote + 1;
}

/** An odd number of backslashes before a quote makes it part of the string. */
function isEscaped(source: string, quote: number): boolean {
  let index = quote - 1;
  while (source.charCodeAt(index) === BACKSLASH) index -= 1;
  return (quote - index) % 2 === 0;
}
