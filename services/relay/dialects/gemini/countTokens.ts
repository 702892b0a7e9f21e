import { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';
import type { PromptToCount } from '../../call.ts';
import { bodyToCount } from '../../usage/bodySize.ts';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';
import { COUNT_RULES } from './promptSize.ts';
import { shownToModel } from './request.ts';
import { inOneSpelling, snakeCase } from './spelling.ts';

const countTokensBody = z.looseObject({
  contents: shownToModel.contents.nullish(),
  generateContentRequest: z.looseObject(shownToModel).nullish(),
});

const OUR_MEMBERS = spellingOf(Object.keys(countTokensBody.shape).flatMap((member) => [member, snakeCase(member)]));

/**
 * Reads the body of `countTokens`: contents, or a request whose instructions and tools count too. Throws ApiError
 * `invalid_json` or `invalid_request`.
 */
export function parseCountTokens(raw: Buffer, maxDepth: number): PromptToCount {
  const body = readJsonBody(raw, maxDepth, z.preprocess(inOneSpelling, countTokensBody), OUR_MEMBERS);
  const { contents, generateContentRequest } = body;
  if (Boolean(contents) === Boolean(generateContentRequest)) {
    const detail = 'Either contents or generateContentRequest must be given.';
    throw new ApiError('invalid_request', { detail, param: 'contents' });
  }
  return bodyToCount(generateContentRequest ?? { contents }, COUNT_RULES);
}

export function countTokensAnswer(totalTokens: number): { readonly totalTokens: number } {
  return { totalTokens };
}
