import { z } from 'zod';
import type { Route } from '../../http/route.ts';
import type { GuardedAccounts } from '../guardedAccounts.ts';
import { askerOf } from './asker.ts';
import { gatewayReply, unkept } from './envelope.ts';
import { email, parseInput, password } from './input.ts';

/** A user has no name but the e-mail address, so that is what `username` must be; two different ones cannot both be meant. */
const login = z
  .strictObject({ email: email.optional(), username: email.optional(), password })
  .refine((wish) => wish.email !== undefined || wish.username !== undefined, { path: ['username'] })
  .refine(({ email: address, username }) => address === undefined || username === undefined || address === username, {
    path: ['username'],
  })
  .transform((wish) => ({ email: wish.email ?? wish.username ?? '', password: wish.password }));

/**
 * The gateway's log-in, within the same bounds as AI Hub's: `{username | email, password}` →
 * `{token, token_type, expires_in, user_id, accounts}`; `expires_in` is in seconds.
 */
export function gatewayLoginRoute(accounts: GuardedAccounts): Route {
  return {
    method: 'POST',
    path: '/api/v1/login',
    dialect: 'gateway',
    policy: 'public',
    async handle(call) {
      const wish = parseInput(login, call.body);
      const session = await accounts.logIn(wish.email, wish.password, askerOf(call));
      const data = {
        token: session.token,
        token_type: 'Bearer',
        expires_in: session.expiresInSeconds,
        user_id: session.user.userId,
        accounts: session.user.accounts,
      };
      return unkept(gatewayReply(data));
    },
  };
}
