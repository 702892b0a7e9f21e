import { gatewayReply, hubReply, unkept } from '../../accounts/http/envelope.ts';
import { parseInput, queryOf } from '../../accounts/http/input.ts';
import type { Call, Dialect, Reply, Route } from '../../http/route.ts';
import { agentOf } from '../../relay/dialects/gateway/agents.ts';
import type { Clock } from '../../runtime.ts';
import type { KeyService } from '../keyService.ts';
import {
  createKeyInput,
  createUnnamedKeyInput,
  listQuery,
  reasonInput,
  restrictKeyInput,
  updateKeyInput,
} from './keyInput.ts';
import { keyView, permissionsView } from './keyViews.ts';

const BASE = '/api/v1/api-keys';

/**
 * The keys of AI Hub's portal, and under the same path those of the agent gateway, whose callers send the header
 * `Agent`. Both get the same keys; the header chooses the envelope and, for errors, their shape, and must name a platform.
 *
 * - `POST` issues a key: `key` is its secret, shown once. The gateway needs no `name`.
 * - `PUT /:id` changes its name, limits, models and expiry; `PUT /:id/permissions` all but the name. What is left out
 *   of a body stays as it is. A name is changed after the rest, in an event of its own; a repeat ends what was cut off.
 * - `DELETE /:id` revokes it for ever.
 */
export function apiKeyRoutes({ keys, clock }: { readonly keys: KeyService; readonly clock: Clock }): readonly Route[] {
  return [
    at('GET', '', async (call, user) => {
      const { mode } = parseInput(listQuery, queryOf(call.query));
      const list = await keys.list(user, mode ?? null);
      return replyTo(
        call,
        list.map((key) => keyView(key, clock.now())),
      );
    }),
    at('POST', '', async (call, user) => {
      const wish = parseInput(isGateway(call) ? createUnnamedKeyInput : createKeyInput, call.body);
      const { key, secret } = await keys.issue(user, wish, call.requestId);
      return unkept(replyTo(call, { ...keyView(key, clock.now()), key: secret }, 201));
    }),
    at('PUT', '/:id', async (call, user) => {
      const { name, change } = parseInput(updateKeyInput, call.body);
      const restricted = await keys.restrict(user, idOf(call), change, call.requestId);
      const key = name === undefined ? restricted : await keys.rename(user, idOf(call), name, call.requestId);
      return replyTo(call, keyView(key, clock.now()));
    }),
    at('DELETE', '/:id', async (call, user) => {
      const key = await keys.revoke(user, idOf(call), parseInput(reasonInput, call.body), call.requestId);
      return replyTo(call, keyView(key, clock.now()));
    }),
    at('GET', '/:id/permissions', async (call, user) =>
      replyTo(call, permissionsView(await keys.get(user, idOf(call)))),
    ),
    at('PUT', '/:id/permissions', async (call, user) => {
      const change = parseInput(restrictKeyInput, call.body);
      return replyTo(call, permissionsView(await keys.restrict(user, idOf(call), change, call.requestId)));
    }),
  ];
}

type Caller = Pick<Call, 'headers'>;
type UserRoute = Extract<Route, { policy: 'user' }>;

function at(method: Route['method'], path: string, handle: UserRoute['handle']): UserRoute {
  return {
    method,
    path: BASE + path,
    dialect: dialectOf,
    policy: 'user',
    async handle(call, user) {
      if (isGateway(call)) agentOf(call.headers);
      return handle(call, user);
    },
  };
}

function dialectOf(call: Caller): Dialect {
  return isGateway(call) ? 'gateway' : 'aihub';
}

function isGateway({ headers }: Caller): boolean {
  return headers['agent'] !== undefined;
}

/** The gateway's document knows no 201. */
function replyTo(call: Caller, data: unknown, status = 200): Reply {
  return isGateway(call) ? gatewayReply(data) : hubReply(data, status);
}

const idOf = (call: Call) => call.params['id'] ?? '';
