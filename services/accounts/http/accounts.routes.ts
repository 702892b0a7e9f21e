import { z } from 'zod';
import type { Route } from '../../http/route.ts';
import type { GuardedAccounts } from '../guardedAccounts.ts';
import { askerOf } from './asker.ts';
import { hubReply, unkept } from './envelope.ts';
import { email, parseInput, password, plainText } from './input.ts';

const registration = z.strictObject({
  email,
  password,
  name: plainText.trim().min(1).max(100).optional(),
});
const login = z.strictObject({ email, password });

/** Registration and log-in as AI Hub's developer guide has them. */
export function accountRoutes(accounts: GuardedAccounts): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/api/v1/developer/auth/register',
      dialect: 'aihub',
      policy: 'public',
      async handle(call) {
        const { name, ...wish } = parseInput(registration, call.body);
        const user = await accounts.register({ ...wish, name: name ?? null }, askerOf(call));
        const data = {
          user_id: user.userId,
          email: user.email,
          name: user.name,
          accounts: user.accounts,
          created_at: user.registeredAt,
        };
        return hubReply(data, 201);
      },
    },
    {
      method: 'POST',
      path: '/api/v1/developer/auth/login',
      dialect: 'aihub',
      policy: 'public',
      async handle(call) {
        const wish = parseInput(login, call.body);
        const session = await accounts.logIn(wish.email, wish.password, askerOf(call));
        const data = {
          access_token: session.token,
          token_type: 'Bearer',
          expires_in: session.expiresInSeconds,
          user_id: session.user.userId,
          accounts: session.user.accounts,
        };
        return unkept(hubReply(data));
      },
    },
  ];
}
