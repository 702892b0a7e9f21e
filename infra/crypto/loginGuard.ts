import { ipKeyGenerator } from 'express-rate-limit';
import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible';
import type { LoginGuard } from '../../services/accounts/ports.ts';
import { ApiError } from '../../services/http/errors.ts';

const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86_400;

export interface LoginBounds {
  /** Log-ins from one address (IPv6: one /56 network) per minute, good or bad. */
  readonly loginsPerMinutePerAddress: number;
  readonly registrationsPerMinutePerAddress: number;
  /** Log-ins to one account per minute, good or bad. */
  readonly loginsPerMinutePerUser: number;
  /** Failures in a row after which an account takes no log-in for 24 h; NIST SP 800-63B allows at most 100. */
  readonly failuresInARow: number;
}

export const DEFAULT_LOGIN_BOUNDS: LoginBounds = {
  loginsPerMinutePerAddress: 60,
  registrationsPerMinutePerAddress: 20,
  loginsPerMinutePerUser: 10,
  failuresInARow: 100,
};

/** Counts in the memory of this process: each process has its own, and a restart forgets them. */
export function createLoginGuard(bounds: LoginBounds = DEFAULT_LOGIN_BOUNDS): LoginGuard {
  const perMinute = (points: number) => new RateLimiterMemory({ points, duration: MINUTE_SECONDS });
  const loginsOfAddress = perMinute(bounds.loginsPerMinutePerAddress);
  const registrationsOfAddress = perMinute(bounds.registrationsPerMinutePerAddress);
  const loginsOfUser = perMinute(bounds.loginsPerMinutePerUser);
  const failuresOfUser = new RateLimiterMemory({
    points: bounds.failuresInARow,
    duration: DAY_SECONDS,
    blockDuration: DAY_SECONDS,
  });
  return {
    async beforeLogin(address, userId) {
      await charge(loginsOfAddress, ipKeyGenerator(address));
      await charge(loginsOfUser, userId);
      await charge(failuresOfUser, userId);
    },
    async afterLogin(userId) {
      await failuresOfUser.delete(userId);
    },
    beforeRegistration: (address) => charge(registrationsOfAddress, ipKeyGenerator(address)),
  };
}

async function charge(limiter: RateLimiterAbstract, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (rejection) {
    if (!(rejection instanceof RateLimiterRes)) throw rejection;
    throw new ApiError('rate_limit_exceeded', {
      detail: 'Too many attempts; try again later.',
      retryAfterMs: rejection.msBeforeNext,
    });
  }
}
