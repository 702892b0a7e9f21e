import { loadSecrets } from '../../infra/config/secrets.ts';
import { createEmailIndex } from '../../infra/crypto/emailIndex.ts';
import { createLoginGuard } from '../../infra/crypto/loginGuard.ts';
import { deriveKeys } from '../../infra/crypto/masterKey.ts';
import { createPasswordHasher } from '../../infra/crypto/passwords.ts';
import { createPersonalData } from '../../infra/crypto/personalData.ts';
import { createAccessTokens } from '../../infra/crypto/tokens.ts';
import { postgresSubjectKeys } from '../../infra/postgres/subjectKeys.ts';
import { sqlExecutor } from '../../infra/postgres/transactions.ts';
import type { EventStore } from '../../events/eventStore.ts';
import { NO_LIMITS } from '../../events/quota/limits.ts';
import { KeyQueries } from '../../projections/keys/keys.queries.ts';
import { QuotaQueries } from '../../projections/quota/quota.queries.ts';
import { UsageQueries } from '../../projections/usage/usage.queries.ts';
import { isAdmin } from '../accounts/adminRights.ts';
import { AccountService } from '../accounts/accountService.ts';
import { authenticateUser } from '../accounts/authenticate.ts';
import { GuardedAccounts } from '../accounts/guardedAccounts.ts';
import { accountRoutes } from '../accounts/http/accounts.routes.ts';
import { gatewayLoginRoute } from '../accounts/http/gatewayLogin.routes.ts';
import type { CaughtUp } from '../accounts/ports.ts';
import type { SignedInUser } from '../http/route.ts';
import { apiKeyRoutes } from '../keys/http/apiKeys.routes.ts';
import { keyRoutes } from '../keys/http/keys.routes.ts';
import { ollamaAdminRoutes, ollamaKeyRoutes, type OllamaKeyRouteParts } from '../keys/http/ollamaKeys.routes.ts';
import { KeyAdministration } from '../keys/keyAdministration.ts';
import { KeyService } from '../keys/keyService.ts';
import type { KeyDirectory, UsageReader, UsageSums } from '../keys/ports.ts';
import type { Core } from './core.ts';

type ManagementCore = Pick<Core, 'config' | 'pool' | 'runtime'> & { readonly store: EventStore };

/** Accounts and keys: for the HTTP routes, the command line and the first run. */
export async function openManagement(core: ManagementCore, caughtUp: CaughtUp) {
  const { config, pool, runtime, store } = core;
  const secrets = loadSecrets(config);
  const derived = deriveKeys(Buffer.from(secrets.masterKey, 'hex'));
  const tokens = createAccessTokens(Buffer.from(secrets.jwtSecret), runtime.clock);
  const accounts = new AccountService({
    store,
    passwords: await createPasswordHasher(),
    personalData: createPersonalData(derived.subjectKeyWrap, postgresSubjectKeys(pool)),
    emailIndex: createEmailIndex(derived.emailIndex),
    tokens,
    caughtUp,
    runtime,
    plan: {
      zone: config.BILLING_ZONE,
      maxKeys: config.DEFAULT_MAX_KEYS,
      limits: {
        ...NO_LIMITS,
        tokensPerMonth: config.DEFAULT_TOKENS_PER_MONTH,
        concurrency: config.DEFAULT_CONCURRENCY,
        requestsPerMinute: config.DEFAULT_REQUESTS_PER_MINUTE,
      },
    },
  });
  const sql = sqlExecutor(pool);
  const queries = new KeyQueries(sql);
  const keys = new KeyService({ store, keys: queries, caughtUp, runtime });
  const ofOllama: OllamaKeyRouteParts = {
    keys,
    administration: new KeyAdministration({ store, caughtUp, runtime }),
    directory: keyDirectory(queries),
    sums: usageSums(sql),
    clock: runtime.clock,
  };
  const guarded = new GuardedAccounts(accounts, createLoginGuard());
  return {
    accounts,
    keys,
    routes: [
      ...accountRoutes(guarded),
      gatewayLoginRoute(guarded),
      ...keyRoutes({ keys, usage: usageReader(sql), clock: runtime.clock }),
      ...apiKeyRoutes({ keys, clock: runtime.clock }),
      ...ollamaKeyRoutes(ofOllama),
      ...ollamaAdminRoutes(ofOllama),
    ],
    isAdmin: ({ userId }: SignedInUser) => isAdmin(store, userId),
    authenticateUser: (headers: Parameters<typeof authenticateUser>[0]) => authenticateUser(headers, tokens),
  };
}
export type Management = Awaited<ReturnType<typeof openManagement>>;

function usageReader(sql: ReturnType<typeof sqlExecutor>): UsageReader {
  const quota = new QuotaQueries(sql);
  const usage = new UsageQueries(sql);
  return {
    usedInPeriod: (accountId, period) => quota.usedInPeriod(accountId, period),
    dailyUsageOfKey: (accountId, keyId, from) => usage.dailyUsageOfKey(accountId, keyId, from),
  };
}

/** Keys of all accounts as administrators read them. */
export function keyDirectory(queries: KeyQueries): KeyDirectory {
  return {
    page: (after, limit) => queries.pageOfKeys(after, limit),
    counts: (mode, instant) => queries.installationCounts(mode, instant),
  };
}

/** Usage summed over keys, models and accounts. */
export function usageSums(sql: ReturnType<typeof sqlExecutor>): UsageSums {
  const quota = new QuotaQueries(sql);
  const usage = new UsageQueries(sql);
  return {
    ofAccount: (accountId, from, before) => usage.usageByKeyAndModel([accountId], from, before),
    ofAll: (mode, from, before) => usage.usageByModel(mode, from, before),
    tokensInPeriod: (scopeIds, period) => quota.tokensInPeriod(scopeIds, period),
  };
}
