import { ApiError } from '../../../http/errors.ts';

/** Google takes letters, digits, `_`, `.`, `:` and `-`, not beginning with the latter four but `_`, and no more than 128. */
const LEGAL = /^[A-Za-z_][\w.:-]*$/;
const MAX_CHARACTERS = 128;

/** Begins a name that was rewritten; nobody begins a name of his own so. */
const REWRITTEN = '_x.';

/**
 * The name of a function as Gemini takes it. What it does not take is rewritten so that `clientToolName` finds the
 * original in the rewritten name alone. Throws ApiError `unsupported_parameter` for a name that becomes too long.
 */
export function geminiToolName(name: string): string {
  const isLegal = LEGAL.test(name) && !name.startsWith(REWRITTEN);
  const written = isLegal ? name : REWRITTEN + name.replace(/[^A-Za-z0-9_-]/g, escaped);
  if (written.length > MAX_CHARACTERS) {
    const detail = `The provider of this model takes no function name like "${name.slice(0, 64)}".`;
    throw new ApiError('unsupported_parameter', { detail, param: 'tools' });
  }
  return written;
}

/** The name that `geminiToolName` was given. */
export function clientToolName(name: string): string {
  if (!name.startsWith(REWRITTEN)) return name;
  return name
    .slice(REWRITTEN.length)
    .replace(/\.([0-9a-f]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** One UTF-16 unit. */
function escaped(character: string): string {
  return `.${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
