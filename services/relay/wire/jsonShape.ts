import { stringEnd } from './memberNames.ts';

/** Values of any kind in one body; the longest conversations have some ten thousand. */
const MAX_VALUES = 100_000;
/** Members of the body itself; OpenAI knows about forty. */
const MAX_MEMBERS = 500;

/**
 * What is wrong with the shape of a JSON text, or null. It is asked before the text is parsed: 10 MB of nothing but
 * brackets, empty objects or member names would keep the event loop from everybody else for seconds. Takes any text,
 * in time linear in its length.
 */
export function shapeProblem(source: string, maxDepth: number): string | null {
  let depth = 0;
  let values = 1;
  let members = 1;
  for (let index = 0; index < source.length; index += 1) {
    switch (source.charCodeAt(index)) {
      case 0x22: // "
        index = stringEnd(source, index) - 1;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        values += 1;
        if (depth > maxDepth) return 'The body is nested too deeply.';
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      case 0x2c: // ,
        values += 1;
        if (depth === 1) members += 1;
        break;
    }
    if (values > MAX_VALUES || members > MAX_MEMBERS) return 'The body has too many values.';
  }
  return null;
}
