import { loadSecrets } from '../../infra/config/secrets.ts';
import { deriveKeys } from '../../infra/crypto/masterKey.ts';
import { postgresAgentSessions } from '../../infra/postgres/agentSessions.ts';
import { postgresResponses } from '../../infra/postgres/storedResponses.ts';
import { RemoteMedia } from '../../infra/upstreams/remoteMedia.ts';
import type { RelayRoute, Route } from '../http/route.ts';
import { agentsRoute } from '../relay/operations/agents.routes.ts';
import { AGENTS } from '../relay/dialects/gateway/agents.ts';
import { protocolsWith } from '../relay/dialects/protocols.ts';
import { ownResponses } from '../relay/dialects/responses/storedResponses.ts';
import type { ClientLimits } from '../relay/http/clientConnection.ts';
import { TokenCounting } from '../relay/http/tokenCounting.ts';
import { chatOperations } from '../relay/operations/chats.ts';
import { countOperations } from '../relay/operations/counts.ts';
import { gatewayOperation } from '../relay/operations/gateway.ts';
import { geminiCountings, geminiOperations } from '../relay/operations/gemini.ts';
import { mediaOperations } from '../relay/operations/media.ts';
import { storedResponseRoutes } from '../relay/operations/responses.routes.ts';
import { countRoutes, geminiRoutes, operationRoutes } from '../relay/operations/routes.ts';
import type { Relay } from '../relay/relay.ts';
import { Closing, type Core } from './core.ts';
import { openFiles, type FileParts } from './files.ts';

export interface OperationParts extends FileParts {
  readonly relay: Relay;
  readonly limits: ClientLimits & { readonly maxBodyBytes: number };
}

/** Everything that clients can ask of upstreams, and the files that go with it, as routes. */
export async function openOperations(core: Core, parts: OperationParts) {
  const { config, pool, runtime } = core;
  const { relay, admission, limiter, router, prices, estimator, limits } = parts;
  const closing = new Closing();
  const maxDepth = config.MAX_BODY_DEPTH;
  const media = new RemoteMedia();
  closing.add(() => media.close());
  const spoken = protocolsWith(media);
  const responses =
    config.STORE_RESPONSES === 'on'
      ? postgresResponses(pool, deriveKeys(Buffer.from(loadSecrets(config).masterKey, 'hex')).content)
      : null;
  const notKept = (error: unknown) => runtime.log.warn({ error }, 'a response was not stored; its client has it');
  const chats = chatOperations({
    maxDepth,
    spoken,
    clock: runtime.clock,
    responsesOf: responses && (({ accountId }) => ownResponses(responses, accountId, notKept)),
  });
  const operations = [...chats, ...mediaOperations({ maxDepth, spoken })];
  const files = await openFiles(core, parts, operations);
  closing.add(() => files.close());
  const gateway = gatewayOperation({
    maxDepth,
    spoken,
    sessions: postgresAgentSessions(pool),
    limiter,
    ids: runtime.ids,
    log: runtime.log,
    uploadsOf: files.uploadsOf,
  });
  const counting = new TokenCounting({ admission, limiter, estimator, runtime, limits });
  const asking = operationRoutes(relay, geminiOperations({ maxDepth, spoken }));
  const askingTokens = countRoutes(counting, geminiCountings(maxDepth));
  const relayRoutes: RelayRoute[] = [
    ...operationRoutes(relay, [...operations, gateway]),
    ...files.relayRoutes,
    ...countRoutes(counting, countOperations(maxDepth)),
    ...geminiRoutes(asking, askingTokens),
  ];
  const routes: readonly Route[] = [
    ...storedResponseRoutes(responses),
    agentsRoute({ router, prices, limiter, clock: runtime.clock, uploads: new Set(AGENTS) }),
    ...files.routes,
  ];
  return { relayRoutes, routes, close: () => closing.run() };
}
