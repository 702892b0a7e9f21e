import { randomBytes } from 'node:crypto';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { createEmailIndex } from '../../../infra/crypto/emailIndex.ts';
import { deriveKeys } from '../../../infra/crypto/masterKey.ts';
import { memorySubjectKeys } from '../../../infra/crypto/memorySubjectKeys.ts';
import { createPasswordHasher } from '../../../infra/crypto/passwords.ts';
import { createPersonalData } from '../../../infra/crypto/personalData.ts';
import { createAccessTokens } from '../../../infra/crypto/tokens.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { EventStore } from '../../../events/eventStore.ts';
import { AccountService } from '../../../services/accounts/accountService.ts';
import type { CaughtUp, SubjectKeyStore } from '../../../services/accounts/ports.ts';
import { silentLog } from '../../support/log.ts';

const derived = deriveKeys(Buffer.alloc(32, 7));
const jwtSecret = randomBytes(32);
const passwords = await createPasswordHasher();

export const PLAN = { limits: { ...NO_LIMITS, tokensPerMonth: 1_000_000, concurrency: 10 }, maxKeys: 10, zone: 'UTC' };
export const EMAIL = 'ada@example.com';
export const PASSWORD = 'a quiet engine hums 42';

/** The account service over real cryptography. Two worlds over one store are two processes that share their secrets. */
export function accountWorld(
  store: EventStore,
  parts: { readonly subjectKeys?: SubjectKeyStore; readonly caughtUp?: CaughtUp; readonly now?: () => number } = {},
) {
  const { subjectKeys = memorySubjectKeys(), caughtUp = () => Promise.resolve(), now = Date.now } = parts;
  const runtime = { ...systemRuntime(silentLog), clock: { now, monotonic: now } };
  const tokens = createAccessTokens(jwtSecret, runtime.clock);
  const personalData = createPersonalData(derived.subjectKeyWrap, subjectKeys);
  const emailIndex = createEmailIndex(derived.emailIndex);
  const accounts = new AccountService({
    ...{ store, passwords, personalData, emailIndex, tokens, caughtUp, runtime },
    plan: PLAN,
  });
  return { accounts, tokens, personalData, runtime };
}
