import { expect } from 'vitest';
import { PASSWORD } from '../../unit/accounts/accountWorld.ts';
import type { Management } from './managementServer.ts';

export interface SignedIn {
  readonly email: string;
  readonly userId: string;
  readonly accounts: { readonly live: string; readonly test: string };
  readonly token: string;
}

/** A new user who has signed in. */
export async function signedInAs(server: Management, email: string): Promise<SignedIn> {
  const registered = await server.call('POST', '/auth/register', { body: { email, password: PASSWORD } });
  expect(registered.status).toBe(201);
  const session = await server.call('POST', '/auth/login', { body: { email, password: PASSWORD } });
  const data = session.body.data as { access_token: string; user_id: string; accounts: SignedIn['accounts'] };
  return { email, userId: data.user_id, accounts: data.accounts, token: data.access_token };
}
