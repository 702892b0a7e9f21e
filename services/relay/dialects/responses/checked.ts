import type { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';

/** A value of a body by its schema. Throws ApiError `invalid_request` with the place of the first problem. */
export function checked<Value>(value: unknown, schema: z.ZodType<Value>, place: string): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw notValid([place, ...(issue?.path ?? [])].map(String).join('.'), issue?.message ?? 'not valid');
}

export function notValid(param: string, problem: string): ApiError {
  return new ApiError('invalid_request', { detail: `${param}: ${problem}`, param });
}

/** What the protocols that channels speak have no place for. */
export function notCarried(param: string, what: string): ApiError {
  return new ApiError('unsupported_parameter', { detail: `${param}: ${what}`, param });
}
