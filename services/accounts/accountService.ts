import { z } from 'zod';
import { accountStream, userStream } from '../../events/ids.ts';
import type { EventStore } from '../../events/eventStore.ts';
import { handle, load } from '../decider.ts';
import { ApiError } from '../http/errors.ts';
import type { SignedInUser } from '../http/route.ts';
import type { Runtime } from '../runtime.ts';
import { accountDecider, type Plan } from './account.decider.ts';
import { userIdOf } from './identity.ts';
import { normalisePassword, passwordProblem } from './passwordPolicy.ts';
import type { AccessTokens, CaughtUp, EmailIndex, PasswordHasher, PersonalData } from './ports.ts';
import { readYourWrites } from './readYourWrites.ts';
import { userDecider, type RegisteredUser, type UserState } from './user.decider.ts';

export interface AccountParts {
  readonly store: EventStore;
  readonly passwords: PasswordHasher;
  readonly personalData: PersonalData;
  readonly emailIndex: EmailIndex;
  readonly tokens: AccessTokens;
  readonly caughtUp: CaughtUp;
  readonly runtime: Runtime;
  /** What each new account starts with, live and test alike. */
  readonly plan: Plan;
}

export interface Registration {
  readonly email: string;
  readonly password: string;
  readonly name: string | null;
}

export interface Registered extends SignedInUser {
  readonly email: string;
  readonly name: string | null;
  readonly registeredAt: string;
}

export interface Session {
  readonly user: SignedInUser;
  readonly token: string;
  readonly expiresInSeconds: number;
}

const profile = z.object({ email: z.string(), name: z.string().nullable() });
export type Profile = z.infer<typeof profile>;

/**
 * Registers and signs in. Users are read from their own stream, which is named after the keyed hash of their e-mail
 * address, so no answer depends on a read model that lags. Every method may throw StoreUnavailable.
 */
export class AccountService {
  readonly #parts: AccountParts;

  constructor(parts: AccountParts) {
    this.#parts = parts;
  }

  /** Whose address this is, or would be. */
  userIdOf(email: string): string {
    return userIdOf(this.#parts.emailIndex.of(email));
  }

  /**
   * A new user with a live and a test account. Throws ApiError `invalid_request` for a weak password and `email_taken`.
   * When the process dies half-way, registering again or signing in opens the missing accounts.
   */
  async register(wish: Registration, correlationId: string): Promise<Registered> {
    const { store, emailIndex, passwords, personalData, runtime } = this.#parts;
    const { email, name } = wish;
    const problem = passwordProblem(wish.password, email);
    if (problem) throw new ApiError('invalid_request', { param: 'password', detail: PASSWORD_PROBLEMS[problem] });
    const index = emailIndex.of(email);
    const userId = userIdOf(index);
    const before = await this.#find(userId);
    if (before.status === 'registered') return this.#taken(before, correlationId);

    const passwordHash = await passwords.hash(normalisePassword(wish.password));
    const handled = await handle(store, userDecider, userStream(userId), {
      type: 'RegisterUser',
      emailIndex: index,
      sealedProfile: await personalData.seal(userId, 'profile', JSON.stringify({ email, name } satisfies Profile)),
      sealedPasswordHash: await personalData.seal(userId, 'password', passwordHash),
      commandId: runtime.ids.uuid(),
      correlationId,
      now: runtime.clock.now(),
    });
    const user = handled.ok ? handled.state : await this.#find(userId);
    if (user.status === 'none') throw new Error(`${userId} was registered and is not there`);
    if (!handled.ok) return this.#taken(user, correlationId);
    await this.#openAccounts(user, correlationId);
    return { userId, email, name, accounts: user.accounts, registeredAt: user.registeredAt };
  }

  /**
   * An access token for whoever knows the password. Throws ApiError `invalid_credentials`, after the same work, for an
   * unknown address, an erased user and a wrong password.
   */
  async logIn(email: string, password: string, correlationId: string): Promise<Session> {
    const { passwords, personalData, tokens } = this.#parts;
    const userId = this.userIdOf(email);
    const user = await this.#find(userId);
    const sealed = user.status === 'registered' ? user.sealedPasswordHash : null;
    const stored = await personalData.open(userId, 'password', sealed);
    const matches = await passwords.verify(stored, normalisePassword(password));
    if (user.status === 'none' || !matches) throw new ApiError('invalid_credentials');
    await this.#openAccounts(user, correlationId);
    const signedIn = { userId, accounts: user.accounts };
    return { user: signedIn, ...(await tokens.issue(signedIn)) };
  }

  /** What the user told us about themselves; null when unknown or erased. */
  async profileOf(userId: string): Promise<Profile | null> {
    const user = await this.#find(userId);
    const sealed = user.status === 'registered' ? user.sealedProfile : null;
    const text = await this.#parts.personalData.open(userId, 'profile', sealed);
    return text === null ? null : profile.parse(JSON.parse(text));
  }

  async #find(userId: string): Promise<UserState> {
    return (await load(this.#parts.store, userDecider, userStream(userId))).state;
  }

  /** The owner may be repeating a registration that died half-way. */
  async #taken(user: RegisteredUser, correlationId: string): Promise<never> {
    await this.#openAccounts(user, correlationId);
    throw new ApiError('email_taken', { param: 'email' });
  }

  /** Opens what is not open yet, with ids that follow from the user's. */
  async #openAccounts(user: RegisteredUser, correlationId: string): Promise<void> {
    const { store, runtime, plan, caughtUp } = this.#parts;
    let last: bigint | null = null;
    for (const mode of ['live', 'test'] as const) {
      const accountId = user.accounts[mode];
      const handled = await handle(store, accountDecider, accountStream(accountId), {
        type: 'OpenAccount',
        accountId,
        userId: user.userId,
        mode,
        plan,
        commandId: runtime.ids.uuid(),
        correlationId,
        now: runtime.clock.now(),
      });
      if (handled.ok) last = handled.position ?? last;
    }
    await readYourWrites(caughtUp, last, runtime.log);
  }
}

const PASSWORD_PROBLEMS = {
  too_short: 'The password must have at least 15 characters.',
  too_long: 'The password must have at most 256 characters.',
  not_text: 'The password is not valid text.',
  too_common: 'The password is too easy to guess.',
  is_email: 'The password must not be the e-mail address.',
} as const;
