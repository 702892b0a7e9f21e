import { isObject, type Json } from '../../wire/json.ts';
import { camelCase } from './spelling.ts';

/** Keywords of Google's own that say nothing in JSON Schema, or that are said in another way there. */
const LEFT_OUT: ReadonlySet<string> = new Set(['nullable', 'propertyOrdering', 'example']);
/** Whole numbers, which Google's JSON may give as strings. */
const NUMBERS: ReadonlySet<string> = new Set([
  ...['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'],
]);
const MAPS: ReadonlySet<string> = new Set(['properties', '$defs']);

/**
 * JSON Schema for a schema in Google's subset of OpenAPI, whose types may be in upper case and whose keywords in either
 * spelling. Dropped: the order of properties, examples, and the format `enum`.
 */
export function jsonSchema(schema: Json): Json {
  const written: Json = {};
  for (const [stated, value] of Object.entries(schema)) {
    const keyword = camelCase(stated);
    if (LEFT_OUT.has(keyword) || (keyword === 'format' && value === 'enum')) continue;
    const translated = keywordValue(keyword, value);
    if (translated !== undefined) written[keyword] = translated;
  }
  return schema['nullable'] === true ? nullable(written) : written;
}

function keywordValue(keyword: string, value: unknown): unknown {
  if (keyword === 'type') return typeOf(value);
  if (MAPS.has(keyword) && isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, nested(inner)]));
  }
  if (keyword === 'items' || keyword === 'additionalProperties') return nested(value);
  if (keyword === 'anyOf' && Array.isArray(value)) return value.map(nested);
  return NUMBERS.has(keyword) && typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
}

function nested(value: unknown): unknown {
  return isObject(value) ? jsonSchema(value) : value;
}

function typeOf(value: unknown): unknown {
  if (typeof value === 'string') return value === 'TYPE_UNSPECIFIED' ? undefined : value.toLowerCase();
  return Array.isArray(value) ? value.map(typeOf) : value;
}

function nullable({ type, enum: values, ...rest }: Json): Json {
  const withNull: Json = { ...rest };
  if (typeof type === 'string') withNull['type'] = [type, 'null'];
  if (Array.isArray(type)) withNull['type'] = [...(type as unknown[]), 'null'];
  if (Array.isArray(values)) withNull['enum'] = [...(values as unknown[]), null];
  if (Array.isArray(rest['anyOf'])) withNull['anyOf'] = [...(rest['anyOf'] as unknown[]), { type: 'null' }];
  return withNull;
}
