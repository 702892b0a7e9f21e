import { gatewayReply } from '../../accounts/http/envelope.ts';
import type { Route } from '../../http/route.ts';
import { AGENTS, agentList, type Agent } from '../dialects/gateway/agents.ts';
import type { CallerKey, PriceLookup, RateLimiter, Router } from '../ports.ts';
import type { Clock } from '../../runtime.ts';
import { withinLimit } from './gateway.ts';

export interface AgentRouteParts {
  readonly router: Pick<Router, 'models'>;
  readonly prices: Pick<PriceLookup, 'models'>;
  readonly limiter: RateLimiter;
  readonly clock: Clock;
  /** Platforms that take uploaded files. */
  readonly uploads: ReadonlySet<Agent>;
}

/**
 * `GET /api/v1/agents`: every platform; available are those that the key may call, which are priced and served by some
 * channel. Bounded per key beside the limits of calls.
 */
export function agentsRoute({ router, prices, limiter, clock, uploads }: AgentRouteParts): Route {
  function available(key: CallerKey): ReadonlySet<Agent> {
    const served = router.models(key.mode);
    const priced = new Set(prices.models(clock.now()).map(({ model }) => model));
    const isUsable = (agent: Agent) =>
      priced.has(agent) && (served?.has(agent) ?? true) && (key.models?.has(agent) ?? true);
    return new Set(AGENTS.filter(isUsable));
  }
  return {
    method: 'GET',
    path: '/api/v1/agents',
    dialect: 'gateway',
    policy: 'apiKey',
    async handle(_call, key) {
      await withinLimit(limiter, 'agents', key.keyId);
      return gatewayReply(agentList(available(key), uploads));
    },
  };
}
