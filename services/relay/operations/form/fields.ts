import type { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';
import { spellingOf } from '../../wire/jsonBody.ts';
import { isFile, type Form, type FormFile } from './form.ts';

/** How the text of a field becomes what a schema expects; a text that is no such value stays one, and the schema says so. */
const KINDS = {
  text: (value: string) => value,
  whole: (value: string) => (/^\d{1,9}$/.test(value) ? Number(value) : value),
  flag: (value: string) => (value === 'true' ? true : value === 'false' ? false : value),
} as const;

export type FieldKinds = Readonly<Record<string, keyof typeof KINDS>>;

/**
 * The fields that we act on, checked. Throws ApiError `invalid_request` for one that stands twice, in other letters, as
 * a list or as a file: upstreams differ in which of two they follow.
 */
export function readFields<Fields>(form: Form, kinds: FieldKinds, schema: z.ZodType<Fields>): Fields {
  const spelling = spellingOf(Object.keys(kinds));
  const values: Record<string, unknown> = {};
  for (const part of form) {
    const name = spelling.get(folded(part.name));
    if (name === undefined) continue;
    if (part.name !== name || Object.hasOwn(values, name) || isFile(part)) {
      throw notValid(name, 'must stand once, spelled exactly so');
    }
    values[name] = KINDS[kinds[name] ?? 'text'](part.value);
  }
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw notValid(issue?.path.join('.') ?? 'body', issue?.message ?? 'not valid');
}

/** The files of a field, which may be spelled as a list. Throws ApiError `invalid_request` for a text in their place. */
export function filesIn(form: Form, field: string, atLeast: number, atMost: number): readonly FormFile[] {
  const parts = form.filter((part) => folded(part.name) === field);
  if (parts.some((part) => !part.name.startsWith(field))) throw notValid(field, 'must be spelled exactly so');
  const files = parts.filter(isFile);
  if (files.length < parts.length) throw notValid(field, 'must be a file');
  if (files.length < atLeast) throw notValid(field, 'is missing');
  if (files.length > atMost) throw notValid(field, `at most ${String(atMost)} may be given`);
  if (files.some((file) => file.bytes.length === 0)) throw notValid(field, 'is empty');
  return files;
}

/** The form with these fields changed; null drops one. What is set stands first, before large files. */
export function withFields(form: Form, changes: Readonly<Record<string, string | null>>): Form {
  const kept = form.filter((part) => !Object.hasOwn(changes, part.name));
  const set = Object.entries(changes).flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));
  return [...set, ...kept];
}

/** The name of a field without its brackets, in letters that upstreams of any habit read alike. */
function folded(name: string): string {
  return name.replace(/\[.*$/, '').toUpperCase().toLowerCase();
}

export function notValid(param: string, problem: string): ApiError {
  return new ApiError('invalid_request', { detail: `${param}: ${problem}`, param });
}
