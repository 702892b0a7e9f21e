import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLoginGuard } from '../../../infra/crypto/loginGuard.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { postgresSubjectKeys } from '../../../infra/postgres/subjectKeys.ts';
import { PostgresTransactions, sqlExecutor } from '../../../infra/postgres/transactions.ts';
import { KeyQueries } from '../../../projections/keys/keys.queries.ts';
import { keysProjection } from '../../../projections/keys/keys.projection.ts';
import { quotaProjection } from '../../../projections/quota/quota.projection.ts';
import { QuotaQueries } from '../../../projections/quota/quota.queries.ts';
import { ProjectionRunner } from '../../../projections/runner.ts';
import { usageProjection } from '../../../projections/usage/usage.projection.ts';
import { UsageQueries } from '../../../projections/usage/usage.queries.ts';
import { changeAdminRights, isAdmin } from '../../../services/accounts/adminRights.ts';
import { authenticateUser } from '../../../services/accounts/authenticate.ts';
import { GuardedAccounts } from '../../../services/accounts/guardedAccounts.ts';
import { accountRoutes } from '../../../services/accounts/http/accounts.routes.ts';
import { gatewayLoginRoute } from '../../../services/accounts/http/gatewayLogin.routes.ts';
import { createApp } from '../../../services/http/app.ts';
import { ApiError } from '../../../services/http/errors.ts';
import { followEvents } from '../../../services/keys/follow.ts';
import { apiKeyRoutes } from '../../../services/keys/http/apiKeys.routes.ts';
import { keyRoutes } from '../../../services/keys/http/keys.routes.ts';
import { ollamaAdminRoutes, ollamaKeyRoutes } from '../../../services/keys/http/ollamaKeys.routes.ts';
import { KeyAdministration } from '../../../services/keys/keyAdministration.ts';
import { KEY_INDEX_CATEGORIES, KeyIndex } from '../../../services/keys/keyIndex.ts';
import { KeyService } from '../../../services/keys/keyService.ts';
import { keyDirectory, usageSums } from '../../../services/wiring/management.ts';
import { silentLog } from '../../support/log.ts';
import type { TestDatabase } from '../../support/postgres.ts';
import { accountWorld } from '../../unit/accounts/accountWorld.ts';

const BOUNDS = {
  loginsPerMinutePerAddress: 1_000,
  registrationsPerMinutePerAddress: 1_000,
  loginsPerMinutePerUser: 5,
  failuresInARow: 100,
};

/** Everything that serves accounts and keys, wired as one process is, over a real database and a real socket. */
export async function startManagement(database: TestDatabase) {
  const stopping = new AbortController();
  const store = await PostgresEventStore.open({ connectionString: database.url, log: silentLog });
  const sql = sqlExecutor(database.pool);
  const quota = new QuotaQueries(sql);
  const usage = new UsageQueries(sql);
  const index = new KeyIndex();

  const { accounts, tokens, runtime } = accountWorld(store, {
    subjectKeys: postgresSubjectKeys(database.pool),
    caughtUp: (position) => caughtUp(position),
  });
  const projector = new ProjectionRunner({
    store,
    transactions: new PostgresTransactions(database.pool),
    timers: runtime.timers,
    log: silentLog,
    projections: [keysProjection, quotaProjection, usageProjection],
  });
  await projector.start();
  const follower = await followEvents(store, KEY_INDEX_CATEGORIES, (event) => index.apply(event), {
    signal: stopping.signal,
    runtime,
  });
  async function caughtUp(position: bigint): Promise<void> {
    await Promise.all([projector.caughtUp(position), follower.caughtUp(position)]);
  }

  const queries = new KeyQueries(sql);
  const keys = new KeyService({ store, keys: queries, caughtUp, runtime });
  const guarded = new GuardedAccounts(accounts, createLoginGuard(BOUNDS));
  const ofOllama = {
    keys,
    administration: new KeyAdministration({ store, caughtUp, runtime }),
    directory: keyDirectory(queries),
    sums: usageSums(sql),
    clock: runtime.clock,
  };
  const app = createApp({
    routes: [
      ...accountRoutes(guarded),
      gatewayLoginRoute(guarded),
      ...keyRoutes({
        keys,
        usage: {
          usedInPeriod: (accountId, period) => quota.usedInPeriod(accountId, period),
          dailyUsageOfKey: (accountId, keyId, from) => usage.dailyUsageOfKey(accountId, keyId, from),
        },
        clock: runtime.clock,
      }),
      ...apiKeyRoutes({ keys, clock: runtime.clock }),
      ...ollamaKeyRoutes(ofOllama),
      ...ollamaAdminRoutes(ofOllama),
    ],
    relayRoutes: [],
    authenticateUser: (headers) => authenticateUser(headers, tokens),
    isAdmin: ({ userId }) => isAdmin(store, userId),
    authenticateKey() {
      throw new ApiError('invalid_api_key');
    },
    runtime,
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const DEVELOPER = '/api/v1/developer';

  return {
    store,
    runtime,
    accounts,
    index,
    keys,
    caughtUp,
    /** What the operator's command line does. */
    changeRights: (userId: string, type: 'GrantAdminRights' | 'RevokeAdminRights') =>
      changeAdminRights({ store, runtime }, { type, userId, reason: '', correlationId: 'test' }),
    /** One call; the answer's body is parsed. Paths outside of AI Hub's developer guide begin with `/api/`. */
    async call(
      method: string,
      path: string,
      options: { readonly token?: string; readonly body?: unknown; readonly agent?: string } = {},
    ) {
      const response = await fetch(origin + (path.startsWith('/api/') ? '' : DEVELOPER) + path, {
        method,
        headers: {
          ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
          ...(options.agent !== undefined && { agent: options.agent }),
          ...(options.body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(options.body !== undefined && {
          body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body),
        }),
      });
      const text = await response.text();
      return { status: response.status, text, body: JSON.parse(text) as { data: Record<string, unknown> } };
    },
    async stop() {
      stopping.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all([follower.stopped, projector.stop()]);
      await store.close();
    },
  };
}

export type Management = Awaited<ReturnType<typeof startManagement>>;
