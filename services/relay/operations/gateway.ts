import { ApiError } from '../../http/errors.ts';
import type { Ids, Log } from '../../runtime.ts';
import { agentOf } from '../dialects/gateway/agents.ts';
import { gatewayCall, type Uploads } from '../dialects/gateway/call.ts';
import { GATEWAY_FACE } from '../dialects/gateway/face.ts';
import { readGatewayRequest, type GatewayFile } from '../dialects/gateway/request.ts';
import { openSession, platformUser, type AgentSessions, type SessionPlace } from '../dialects/gateway/sessions.ts';
import type { Spoken } from '../dialects/protocols.ts';
import { USUAL_PLACES } from '../http/presentedKey.ts';
import type { Operation } from '../operation.ts';
import type { RateLimiter } from '../ports.ts';

/** What the gateway's routes allow each key per minute, beside the key's own limits. */
export const GATEWAY_PER_MINUTE = { chat: 60, upload: 10, agents: 30 } as const;

export interface GatewayParts {
  readonly maxDepth: number;
  readonly spoken: Spoken;
  readonly sessions: AgentSessions;
  readonly limiter: RateLimiter;
  readonly ids: Ids;
  readonly log: Log;
  /** The uploads among these files, by id. */
  readonly uploadsOf: (accountId: string, files: readonly GatewayFile[]) => Promise<Uploads>;
}

/** `POST /api/v1/chat` of the agent gateway. */
export function gatewayOperation(parts: GatewayParts): Operation {
  const { maxDepth, spoken, sessions, ids, log } = parts;
  return {
    path: '/api/v1/chat',
    dialect: 'gateway',
    keyPlaces: USUAL_PLACES,
    face: () => GATEWAY_FACE,
    async read(raw, { headers }, { keyId, accountId }) {
      const agent = agentOf(headers);
      await withinLimit(parts.limiter, 'chat', keyId);
      const request = readGatewayRequest(raw, maxDepth);
      const user = platformUser(accountId, request.user);
      const session = await openSession(sessions, { accountId, agent, user }, request.sessionId, ids.uuid());
      const remember = (place: SessionPlace): void => {
        if (place.platformId === session.place?.platformId) return;
        sessions.remember(accountId, { sessionId: session.id, agent, user, place }).catch((error: unknown) => {
          log.warn({ error, session: session.id }, 'a conversation was not remembered and will begin anew');
        });
      };
      const uploads = await parts.uploadsOf(accountId, request.files);
      return gatewayCall(request, { agent, session, spoken, onSession: remember, uploads });
    },
  };
}

/** Throws ApiError `rate_limit_exceeded` when the key has used up what the route allows. */
export async function withinLimit(
  limiter: RateLimiter,
  route: keyof typeof GATEWAY_PER_MINUTE,
  keyId: string,
): Promise<void> {
  const limits = { requestsPerMinute: GATEWAY_PER_MINUTE[route], tokensPerMinute: null };
  const { allowed, retryAfterMs } = await limiter.take(`${route}:${keyId}`, limits, 0);
  if (!allowed) throw new ApiError('rate_limit_exceeded', { retryAfterMs });
}
