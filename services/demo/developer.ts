import { z } from 'zod';
import { Unmet } from './expectation.ts';
import type { World } from './world.ts';

const BASE = '/api/v1/developer';
const registered = z.object({ user_id: z.string(), accounts: z.object({ live: z.string(), test: z.string() }) });
const session = z.object({ access_token: z.string() });
const issued = z.object({ id: z.string(), key: z.string(), prefix: z.string(), last4: z.string() });
export type IssuedKey = z.infer<typeof issued>;

/** A developer who has signed up, as any HTTP client could. */
export class Developer {
  readonly userId: string;
  readonly testAccount: string;
  readonly #world: World;
  readonly #token: string;

  private constructor(world: World, { user_id: userId, accounts }: z.infer<typeof registered>, token: string) {
    this.userId = userId;
    this.testAccount = accounts.test;
    this.#world = world;
    this.#token = token;
  }

  static async signUp(world: World, email: string, password: string): Promise<Developer> {
    const user = await send(world, '/auth/register', registered, { body: { email, password, name: 'Ada' } });
    const { access_token: token } = await send(world, '/auth/login', session, { body: { email, password } });
    return new Developer(world, user, token);
  }

  issueTestKey(name: string, limits: Readonly<Record<string, number>> = {}): Promise<IssuedKey> {
    return send(this.#world, '/keys/keys', issued, { token: this.#token, body: { name, mode: 'test', limits } });
  }

  async revoke({ id }: IssuedKey): Promise<void> {
    await send(this.#world, `/keys/keys/${id}`, z.unknown(), { token: this.#token, method: 'DELETE' });
  }
}

interface Order {
  readonly method?: 'POST' | 'DELETE';
  readonly token?: string;
  readonly body?: object;
}

const success = z.object({ success: z.literal(true), data: z.unknown() });

async function send<S extends z.ZodType>(
  world: World,
  path: string,
  schema: S,
  { method = 'POST', token, body }: Order,
): Promise<z.output<S>> {
  const response = await world.fetch(world.baseUrl + BASE + path, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  const hub = success.safeParse(answer);
  const { data, success: isAsExpected } = schema.safeParse(hub.data?.data);
  if (hub.success && isAsExpected) return data;
  throw new Unmet(`${method} ${path}`, 'success', `${String(response.status)} ${JSON.stringify(answer)}`);
}
