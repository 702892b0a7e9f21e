import { ApiError } from '../../../http/errors.ts';
import { isObject, type Json } from '../../wire/json.ts';

/** Members whose value is the client's own JSON, with names that mean nothing to us. */
const FREE: ReadonlySet<string> = new Set([
  ...['args', 'response', 'parameters', 'parametersJsonSchema', 'responseSchema', 'responseJsonSchema', 'labels'],
]);

/** Lists of which Google takes a single element as it is. */
const LISTS: ReadonlySet<string> = new Set([
  ...['contents', 'parts', 'tools', 'functionDeclarations', 'stopSequences', 'allowedFunctionNames'],
]);

/** `max_output_tokens` → `maxOutputTokens`. Google reads both. */
export function camelCase(name: string): string {
  return name.replace(/(?<=[A-Za-z0-9])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** snake_case, as the tables of this file and of the readers spell their names the other way. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * The JSON of a request in one spelling. Throws ApiError `invalid_request` for an object with a member in both: an
 * upstream might follow the one that we do not.
 */
export function inOneSpelling(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOneSpelling);
  if (!isObject(value)) return value;
  const members: Json = {};
  for (const [name, stated] of Object.entries(value)) {
    const member = camelCase(name);
    if (Object.hasOwn(members, member)) throw ambiguous(member);
    const inner = FREE.has(member) ? stated : inOneSpelling(stated);
    members[member] = LISTS.has(member) && inner !== null && !Array.isArray(inner) ? [inner] : inner;
  }
  return members;
}

/** Throws ApiError for a member of `object` that differs from one of `members` in nothing but its letters' case. */
export function refuseOtherCase(object: Json, members: readonly string[]): void {
  for (const name of Object.keys(object)) {
    const member = members.find((known) => known !== name && folded(known) === folded(name));
    if (member !== undefined) throw ambiguous(member);
  }
}

/** Upper case first, for letters such as ſ and K that fold into ASCII. */
function folded(name: string): string {
  return name.replaceAll('_', '').toUpperCase().toLowerCase();
}

function ambiguous(member: string): ApiError {
  const detail = `${member}: must stand once, spelled exactly so`;
  return new ApiError('invalid_request', { detail, param: member });
}
