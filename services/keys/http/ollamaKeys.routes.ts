import { unkept } from '../../accounts/http/envelope.ts';
import { parseInput, queryOf } from '../../accounts/http/input.ts';
import type { Call, Reply, Route } from '../../http/route.ts';
import { toInstant, type Clock } from '../../runtime.ts';
import type { KeyAdministration } from '../keyAdministration.ts';
import type { KeyService } from '../keyService.ts';
import type { KeyDirectory, UsageSums } from '../ports.ts';
import { spanOfDays } from './days.ts';
import { activeInput, listQuery, ollamaKeyInput, pageQuery, reasonInput, sumsQuery } from './keyInput.ts';
import { quotaPeriodAt } from './keyViews.ts';
import { administeredKeyView, countsView, ollamaKeyView, usageByKeyView, usageSumsView } from './ollamaKeyViews.ts';

const BASE = '/api/ai-api';

export interface OllamaKeyRouteParts {
  readonly keys: KeyService;
  readonly administration: KeyAdministration;
  readonly directory: KeyDirectory;
  readonly sums: UsageSums;
  readonly clock: Clock;
}

/**
 * Keys and usage of a signed-in user as the Ollama service's document names them. It gives no replies, so these are
 * plain objects, in the spelling of its requests; `ollamaKeyViews.ts` has their members.
 *
 * - `POST /keys {name, usageLimit?, mode?}` → 201, a key with its secret as `key`, shown once. It is of the live account
 *   unless the mode is `test`.
 * - `GET /keys?mode=` → `{keys}`, at most 1 000 and never a secret.
 * - `DELETE /keys/:keyId` → the key, revoked for ever.
 * - `GET /usage?days=&mode=` → `{mode, days, from, requests, failedRequests, tokens, costs, models, keys}`; `from` is the
 *   start of the first of these UTC days, 30 unless given, of which today is the last.
 */
export function ollamaKeyRoutes(parts: OllamaKeyRouteParts): readonly Route[] {
  const { keys, sums, clock } = parts;
  return [
    at('user', 'POST', '/keys', async (call, user) => {
      const { key, secret } = await keys.issue(user, parseInput(ollamaKeyInput, call.body), call.requestId);
      return unkept(plain({ ...ollamaKeyView(key, 0n, clock.now()), key: secret }, 201));
    }),
    at('user', 'GET', '/keys', async (call, user) => {
      const { mode } = parseInput(listQuery, queryOf(call.query));
      const list = await keys.list(user, mode ?? null);
      const used = await tokensUsed(parts, list);
      return plain({ keys: list.map((key) => ollamaKeyView(key, used(key), clock.now())) });
    }),
    at('user', 'DELETE', '/keys/:keyId', async (call, user) => {
      const key = await keys.revoke(user, keyIdOf(call), parseInput(reasonInput, call.body), call.requestId);
      const used = await tokensUsed(parts, [key]);
      return plain(ollamaKeyView(key, used(key), clock.now()));
    }),
    at('user', 'GET', '/usage', async (call, user) => {
      const { days, mode } = parseInput(sumsQuery, queryOf(call.query));
      const { from, before } = spanOfDays(clock.now(), days);
      const rows = await sums.ofAccount(user.accounts[mode], from, before);
      return plain({ mode, days, from, ...usageSumsView(rows), keys: usageByKeyView(rows) });
    }),
  ];
}

/**
 * The same document's routes for administrators:
 *
 * - `GET /admin/keys?after=&limit=` → `{keys, next}`: keys of all accounts with `accountId` and `userId`, in the order of
 *   their ids, 1 to 200 of them (50); `next` is the `after` of the next page, null on the last.
 * - `PATCH /admin/keys/:keyId {isActive, reason?}` → the key. One that is disabled here cannot be enabled by its owner;
 *   the record names the administrator.
 * - `GET /admin/stats?days=&mode=` → `{mode, days, from, users, keys, requests, failedRequests, tokens, costs, models}`
 *   of all accounts of the mode (live); `keys` counts by status, `users` is of both modes.
 */
export function ollamaAdminRoutes(parts: OllamaKeyRouteParts): readonly Route[] {
  const { administration, directory, sums, clock } = parts;
  return [
    at('admin', 'GET', '/admin/keys', async (call) => {
      const { after, limit } = parseInput(pageQuery, queryOf(call.query));
      const found = await directory.page(after ?? null, limit + 1);
      const page = found.slice(0, limit);
      const used = await tokensUsed(parts, page);
      const next = found.length > limit ? (page.at(-1)?.keyId ?? null) : null;
      return plain({ keys: page.map((key) => administeredKeyView(key, used(key), clock.now())), next });
    }),
    at('admin', 'PATCH', '/admin/keys/:keyId', async (call, admin) => {
      const wish = parseInput(activeInput, call.body);
      const key = await administration.setActive(admin, keyIdOf(call), wish, call.requestId);
      const used = await tokensUsed(parts, [key]);
      return plain(administeredKeyView(key, used(key), clock.now()));
    }),
    at('admin', 'GET', '/admin/stats', async (call) => {
      const { days, mode } = parseInput(sumsQuery, queryOf(call.query));
      const now = clock.now();
      const { from, before } = spanOfDays(now, days);
      const [counts, rows] = await Promise.all([
        directory.counts(mode, toInstant(now)),
        sums.ofAll(mode, from, before),
      ]);
      return plain({ mode, days, from, ...countsView(counts), ...usageSumsView(rows) });
    }),
  ];
}

/** Tokens that each of the keys used in this UTC month. */
async function tokensUsed(
  { sums, clock }: Pick<OllamaKeyRouteParts, 'sums' | 'clock'>,
  keys: readonly { readonly keyId: string }[],
): Promise<(key: { readonly keyId: string }) => bigint> {
  const used = await sums.tokensInPeriod(
    keys.map(({ keyId }) => keyId),
    quotaPeriodAt(clock.now()),
  );
  return ({ keyId }) => used.get(keyId) ?? 0n;
}

function at(
  policy: 'user' | 'admin',
  method: Route['method'],
  path: string,
  handle: Extract<Route, { policy: 'user' }>['handle'],
): Route {
  return { method, path: BASE + path, dialect: 'ollama', policy, handle };
}

function plain(body: object, status = 200): Reply {
  return { status, body };
}

const keyIdOf = (call: Call) => call.params['keyId'] ?? '';
