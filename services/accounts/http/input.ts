import { z } from 'zod';
import { ApiError } from '../../http/errors.ts';
import { MAX_PASSWORD_LENGTH } from '../passwordPolicy.ts';

/** Enough to name any field of ours; what a stranger sends may be longer. */
const LONGEST_NAME = 64;

/** Text for people to read: whole characters, none of them a control character. */
export const plainText = z.string().refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text));

export const email = z.email().max(254);
/** Bounded in UTF-16 units here; the policy counts characters. */
export const password = z
  .string()
  .min(1)
  .max(2 * MAX_PASSWORD_LENGTH);

/** A body or query of the schema's shape. Throws ApiError `invalid_request` naming the first field that is wrong or unknown. */
export function parseInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const param = [...(issue?.path ?? []), ...unknown].map(String).join('.').slice(0, LONGEST_NAME);
  throw new ApiError('invalid_request', {
    detail:
      unknown.length > 0 ? 'The request has a field that is not known here.' : 'A field of the request is not valid.',
    ...(param !== '' && { param }),
    cause: parsed.error,
  });
}

/** Query parameters as an object; one that is given twice is refused. */
export function queryOf(query: URLSearchParams): Record<string, string> {
  const names = [...query.keys()];
  const repeated = names.find((name, at) => names.indexOf(name) !== at);
  if (repeated !== undefined) throw new ApiError('invalid_request', { param: repeated.slice(0, LONGEST_NAME) });
  return Object.fromEntries(query);
}
