import { randomBytes } from 'node:crypto';
import type { Mode } from '../../events/envelope.ts';

/** What an AI Hub route answered. */
export interface HubReply<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly success: boolean;
    readonly data: T;
    readonly error: {
      readonly type: string;
      readonly code: string;
      readonly message: string;
      readonly details: object;
    };
  };
}

export interface IssuedKey {
  readonly id: string;
  readonly key: string;
}

/** A registered user of a running service, who acts through its HTTP API only. */
export class Developer {
  readonly baseUrl: string;
  readonly email: string;
  readonly password: string;
  readonly userId: string;
  readonly accounts: Readonly<Record<Mode, string>>;
  readonly token: string;

  private constructor(baseUrl: string, email: string, password: string, session: Session) {
    this.baseUrl = baseUrl;
    this.email = email;
    this.password = password;
    this.userId = session.user_id;
    this.accounts = session.accounts;
    this.token = session.access_token;
  }

  /** Registers with a random address unless one is given, and signs in. */
  static async register(
    baseUrl: string,
    email = `${randomBytes(6).toString('hex')}@users.example`,
    password = randomBytes(12).toString('hex'),
  ): Promise<Developer> {
    const registered = await hub(baseUrl, 'POST', '/auth/register', { body: { email, password } });
    if (registered.status !== 201) throw new Error(`registration: ${JSON.stringify(registered.body)}`);
    return Developer.signIn(baseUrl, email, password);
  }

  static async signIn(baseUrl: string, email: string, password: string): Promise<Developer> {
    const session = await hub<Session>(baseUrl, 'POST', '/auth/login', { body: { email, password } });
    if (session.status !== 200) throw new Error(`login: ${JSON.stringify(session.body)}`);
    return new Developer(baseUrl, email, password, session.body.data);
  }

  /** Calls a route below `/api/v1/developer` with this user's token. */
  call<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<HubReply<T>> {
    return hub<T>(this.baseUrl, method, path, { body, token: this.token });
  }

  /** A new test key unless `wish` says otherwise; throws when it is refused. */
  async issueKey(wish: Readonly<Record<string, unknown>> = {}): Promise<IssuedKey> {
    const reply = await this.call<IssuedKey>('POST', '/keys/keys', { name: 'A key', mode: 'test', ...wish });
    if (reply.status !== 201) throw new Error(`issuing: ${JSON.stringify(reply.body)}`);
    return reply.body.data;
  }
}

interface Session {
  readonly user_id: string;
  readonly accounts: Readonly<Record<Mode, string>>;
  readonly access_token: string;
}

/** One call of a route below `/api/v1/developer`. */
export async function hub<T = Record<string, unknown>>(
  baseUrl: string,
  method: string,
  path: string,
  { body, token }: { readonly body?: unknown; readonly token?: string } = {},
): Promise<HubReply<T>> {
  const response = await fetch(`${baseUrl}/api/v1/developer${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as HubReply<T>['body'] };
}
