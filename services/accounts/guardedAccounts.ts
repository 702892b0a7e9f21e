import type { AccountService, Registered, Registration, Session } from './accountService.ts';
import type { LoginGuard } from './ports.ts';

/** Who asks, and under which name the log knows the call. */
export interface Asker {
  readonly address: string;
  readonly requestId: string;
}

/** Registration and log-in for strangers: the account service behind the bounds of a LoginGuard. */
export class GuardedAccounts {
  readonly #accounts: AccountService;
  readonly #guard: LoginGuard;

  constructor(accounts: AccountService, guard: LoginGuard) {
    this.#accounts = accounts;
    this.#guard = guard;
  }

  /** As AccountService.register. Throws ApiError `rate_limit_exceeded` before anything else is done. */
  async register(wish: Registration, asker: Asker): Promise<Registered> {
    await this.#guard.beforeRegistration(asker.address);
    return this.#accounts.register(wish, asker.requestId);
  }

  /** As AccountService.logIn. Throws ApiError `rate_limit_exceeded` before the password is looked at. */
  async logIn(email: string, password: string, asker: Asker): Promise<Session> {
    const userId = this.#accounts.userIdOf(email);
    await this.#guard.beforeLogin(asker.address, userId);
    const session = await this.#accounts.logIn(email, password, asker.requestId);
    await this.#guard.afterLogin(userId);
    return session;
  }
}
