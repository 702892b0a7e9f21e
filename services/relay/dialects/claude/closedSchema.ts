import { ApiError } from '../../../http/errors.ts';
import type { JsonObject } from '../../canonical/prompt.ts';
import { isObject, textIn, type Json } from '../../wire/json.ts';

/** Keywords that Claude refuses; what they say goes into the description instead. */
const BOUNDS: ReadonlySet<string> = new Set([
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  ...['minLength', 'maxLength', 'maxItems', 'uniqueItems', 'minProperties', 'maxProperties'],
]);
const MAPS: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions']);
/** Values, whose members are no keywords. */
const VALUES: ReadonlySet<string> = new Set(['enum', 'const', 'default', 'examples', 'required']);

/**
 * A JSON Schema as Claude takes it for answers and strict tools: every object is closed, and bounds of numbers, texts
 * and lists are told in descriptions. Throws ApiError `unsupported_parameter` for an object whose members are not named,
 * which could only be empty once it is closed.
 */
export function closedSchema(schema: JsonObject, param: string): Json {
  const written: Json = {};
  const bounds: Json = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (BOUNDS.has(keyword) || (keyword === 'minItems' && Number(value) > 1)) bounds[keyword] = value;
    else if (keyword !== 'additionalProperties') written[keyword] = within(keyword, value, param);
  }
  if (isObjectSchema(schema)) {
    if (!hasNamedMembers(schema) && isOpen(schema)) {
      const detail = 'Claude takes no schema with an object whose members are not named.';
      throw new ApiError('unsupported_parameter', { detail, param });
    }
    written['additionalProperties'] = false;
  }
  if (Object.keys(bounds).length === 0) return written;
  const description = [textIn(schema['description']), JSON.stringify(bounds)].filter((text) => text !== '').join(' ');
  return { ...written, description };
}

function within(keyword: string, value: unknown, param: string): unknown {
  if (VALUES.has(keyword)) return value;
  const inner = (each: unknown): unknown => (isObject(each) ? closedSchema(each, param) : each);
  if (MAPS.has(keyword) && isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inner(each)]));
  }
  return Array.isArray(value) ? value.map(inner) : inner(value);
}

function isObjectSchema({ type, properties }: JsonObject): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object')) || isObject(properties);
}

/** An object that is said to have no members, as the one of a function without arguments, is not. */
function isOpen({ additionalProperties, properties }: JsonObject): boolean {
  return additionalProperties === undefined ? properties === undefined : additionalProperties !== false;
}

function hasNamedMembers({ properties }: JsonObject): boolean {
  return isObject(properties) && Object.keys(properties).length > 0;
}
