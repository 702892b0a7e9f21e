import { stringEnd } from '../wire/memberNames.ts';

/** What a frame says at its top, without parsing what is in it. */
export interface FrameLook {
  /** Null when the frame has no `type`, or none that is a string. */
  readonly type: string | null;
  /** `type` stands more than once: readers differ in which of them they follow. */
  readonly isAmbiguous: boolean;
  /** The value of a member that holds a string, as it stands in the frame: escaped, and without its quotes. */
  raw(member: string): string | null;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;

/**
 * Looks at the top-level members of a frame, which should be a JSON object; any text is taken. Long strings such as
 * base64 audio are jumped over, so a frame of megabytes costs little more than a short one.
 */
export function lookAt(source: string): FrameLook {
  const strings = new Map<string, string>();
  let types = 0;
  let depth = 0;
  let nameNext = false;
  for (let index = 0; index < source.length; index += 1) {
    const code = source.charCodeAt(index);
    if (code === QUOTE) {
      const end = stringEnd(source, index);
      if (depth === 1 && nameNext) {
        const name = unescaped(source.slice(index + 1, end - 1));
        if (name === 'type') types += 1;
        const value = stringAfter(source, end);
        if (value !== null) strings.set(name, value);
      }
      nameNext = false;
      index = end - 1;
    } else if (code === COMMA) nameNext = true;
    else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      nameNext = code === 0x7b;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  const type = strings.get('type');
  return {
    type: type === undefined ? null : unescaped(type),
    isAmbiguous: types > 1,
    raw: (member) => strings.get(member) ?? null,
  };
}

/** The text that stands escaped in JSON; as it stands where that is not valid. */
export function unescaped(raw: string): string {
  if (!raw.includes('\\')) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    // Whoever parses the whole frame will refuse it; a look only passes by.
    return raw;
  }
}

/** The string that is the value behind a name, without its quotes; null when the value is something else. */
function stringAfter(source: string, nameEnd: number): string | null {
  const colon = afterSpace(source, nameEnd);
  if (source.charCodeAt(colon) !== COLON) return null;
  const start = afterSpace(source, colon + 1);
  if (source.charCodeAt(start) !== QUOTE) return null;
  return source.slice(start + 1, stringEnd(source, start) - 1);
}

function afterSpace(source: string, from: number): number {
  let index = from;
  while (source.charCodeAt(index) <= 0x20) index += 1;
  return index;
}
