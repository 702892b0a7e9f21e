import { isUtf8 } from 'node:buffer';
import type { z } from 'zod';
import { ApiError } from '../../http/errors.ts';
import { shapeProblem } from './jsonShape.ts';
import { memberNames } from './memberNames.ts';

/** The members of a body that we act on, by their folded spelling. */
export type MemberSpelling = ReadonlyMap<string, string>;

export function spellingOf(members: Iterable<string>): MemberSpelling {
  return new Map([...members].map((member) => [folded(member), member]));
}

/**
 * Reads a body by the schema of its dialect. Throws ApiError `invalid_json` or `invalid_request` (with the path of the
 * first problem). `members` are those that we act on: none may stand twice, or in other letters.
 */
export function readJsonBody<Body>(
  raw: Buffer,
  maxDepth: number,
  schema: z.ZodType<Body>,
  members: MemberSpelling,
): Body {
  // Readers differ in what they make of other bytes, so an upstream might find names there that we do not.
  if (!isUtf8(raw)) throw new ApiError('invalid_json', { detail: 'The body is not valid UTF-8.' });
  const source = raw.toString('utf8');
  const problem = shapeProblem(source, maxDepth);
  if (problem !== null) throw new ApiError('invalid_request', { detail: problem });
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (error) {
    throw new ApiError('invalid_json', { cause: error });
  }
  refusePrototypeKeys(json);
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const param = issue?.path.join('.') ?? '';
    throw new ApiError('invalid_request', {
      detail: `${param || 'body'}: ${issue?.message ?? 'not valid'}`,
      ...(param !== '' && { param }),
    });
  }
  refuseAmbiguousNames(source, members);
  return parsed.data;
}

/**
 * Refuses a member that we act on when it stands twice, or in other letters. Upstreams differ in which of two they
 * follow, and some read names without regard to case, so they might run another model or limit than we hold and price.
 */
function refuseAmbiguousNames(source: string, members: MemberSpelling): void {
  const seen = new Set<string>();
  for (const name of memberNames(source)) {
    const member = members.get(folded(name));
    if (member === undefined) continue;
    if (name !== member || seen.has(member)) {
      throw new ApiError('invalid_request', {
        detail: `${member}: must stand once, spelled exactly so`,
        param: member,
      });
    }
    seen.add(member);
  }
}

/** Upper case first, for letters such as ſ and K that fold into ASCII. */
function folded(name: string): string {
  return name.toUpperCase().toLowerCase();
}

/** Refuses keys that could reach a prototype. */
function refusePrototypeKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) refusePrototypeKeys(item);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw new ApiError('invalid_request', { detail: 'The key "__proto__" is not allowed.' });
    refusePrototypeKeys(item);
  }
}
