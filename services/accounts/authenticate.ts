import type { IncomingHttpHeaders } from 'node:http';
import { ApiError } from '../http/errors.ts';
import type { SignedInUser } from '../http/route.ts';
import type { AccessTokens } from './ports.ts';

/** The user whom `Authorization: Bearer <access token>` names. Throws ApiError `invalid_token`; an API key is not a token. */
export async function authenticateUser(headers: IncomingHttpHeaders, tokens: AccessTokens): Promise<SignedInUser> {
  const token = /^Bearer +([\w.-]{1,2048})$/i.exec(headers.authorization ?? '')?.[1];
  const user = token === undefined ? null : await tokens.verify(token);
  if (!user) throw new ApiError('invalid_token');
  return user;
}
