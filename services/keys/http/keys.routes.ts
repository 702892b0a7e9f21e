import { hubReply as success, unkept } from '../../accounts/http/envelope.ts';
import { parseInput, queryOf } from '../../accounts/http/input.ts';
import type { Call, Route } from '../../http/route.ts';
import type { Clock } from '../../runtime.ts';
import type { KeyService, KeyWithSecret } from '../keyService.ts';
import type { KeySummary } from '../keySummary.ts';
import type { UsageReader } from '../ports.ts';
import { firstDay } from './days.ts';
import {
  createKeyInput,
  listQuery,
  quotaQuery,
  reasonInput,
  restrictKeyInput,
  rotateKeyInput,
  usageQuery,
} from './keyInput.ts';
import { keyView, quotaPeriodAt, quotaView, usageView } from './keyViews.ts';

const BASE = '/api/v1/developer/keys';

export interface KeyRouteParts {
  readonly keys: KeyService;
  readonly usage: UsageReader;
  readonly clock: Clock;
}

/** API keys, quota and usage as AI Hub's developer guide has them, and what it leaves out: restrict, rotate, disable, enable, revoke. */
export function keyRoutes({ keys, usage, clock }: KeyRouteParts): readonly Route[] {
  const shown = (key: KeySummary) => success(keyView(key, clock.now()));
  const shownOnce = ({ key, secret }: KeyWithSecret, status: number) =>
    unkept(success({ ...keyView(key, clock.now()), key: secret }, status));

  return [
    userRoute('POST', '/keys', async (call, user) =>
      shownOnce(await keys.issue(user, parseInput(createKeyInput, call.body), call.requestId), 201),
    ),
    userRoute('GET', '/keys', async (call, user) => {
      const { mode } = parseInput(listQuery, queryOf(call.query));
      const list = await keys.list(user, mode ?? null);
      return success(list.map((key) => keyView(key, clock.now())));
    }),
    userRoute('GET', '/quota', async (call, user) => {
      const { mode } = parseInput(quotaQuery, queryOf(call.query));
      const now = clock.now();
      const account = await keys.account(user, mode);
      const used = await usage.usedInPeriod(account.accountId, quotaPeriodAt(now));
      return success(quotaView(account, used, await keys.countActive(account), now));
    }),
    userRoute('GET', '/keys/:id/usage', async (call, user) => {
      const { days } = parseInput(usageQuery, queryOf(call.query));
      const { accountId, keyId } = await keys.get(user, idOf(call));
      return success(usageView(days, await usage.dailyUsageOfKey(accountId, keyId, firstDay(clock.now(), days))));
    }),
    userRoute('PATCH', '/keys/:id', async (call, user) =>
      shown(await keys.restrict(user, idOf(call), parseInput(restrictKeyInput, call.body), call.requestId)),
    ),
    userRoute('POST', '/keys/:id/rotate', async (call, user) => {
      const { overlapMs } = parseInput(rotateKeyInput, call.body);
      return shownOnce(await keys.rotate(user, idOf(call), overlapMs, call.requestId), 200);
    }),
    userRoute('POST', '/keys/:id/disable', async (call, user) =>
      shown(await keys.disable(user, idOf(call), parseInput(reasonInput, call.body), call.requestId)),
    ),
    userRoute('POST', '/keys/:id/enable', async (call, user) =>
      shown(await keys.enable(user, idOf(call), parseInput(reasonInput, call.body), call.requestId)),
    ),
    userRoute('DELETE', '/keys/:id', async (call, user) =>
      shown(await keys.revoke(user, idOf(call), parseInput(reasonInput, call.body), call.requestId)),
    ),
  ];
}

type UserRoute = Extract<Route, { policy: 'user' }>;

function userRoute(method: Route['method'], path: string, handle: UserRoute['handle']): UserRoute {
  return { method, path: BASE + path, dialect: 'aihub', policy: 'user', handle };
}

const idOf = (call: Call) => call.params['id'] ?? '';
