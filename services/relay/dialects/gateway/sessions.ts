import { createHash } from 'node:crypto';
import { ApiError } from '../../../http/errors.ts';
import type { Agent } from './agents.ts';

/** A conversation that an agent platform keeps for a user of an account. */
export interface AgentSession {
  readonly agent: Agent;
  /** Which of the account's users it belongs to; any name that tells them apart. */
  readonly user: string;
  /** Where it lies, and under which name; null until the platform has told, and for FastGPT, which takes our name. */
  readonly place: SessionPlace | null;
}

/** A conversation is known to one channel's account or bot only. */
export interface SessionPlace {
  readonly channel: string;
  readonly platformId: string;
}

/** A session that a call may go on with. */
export interface OpenSession {
  readonly id: string;
  readonly place: SessionPlace | null;
}

/** Which conversation of a platform a session of ours is. The adapter owns their time to live. */
export interface AgentSessions {
  /** Only among the account's own. */
  find(accountId: string, sessionId: string): Promise<AgentSession | null>;
  /** Remembering again replaces. */
  remember(accountId: string, session: AgentSession & { readonly sessionId: string }): Promise<void>;
}

/** Who asks for a session. */
export interface SessionAsker {
  readonly accountId: string;
  readonly agent: Agent;
  readonly user: string;
}

/**
 * The session that a call belongs to: the one that it names, or a new one called `newId`, remembered at once so that a
 * client never holds an id that is not known here. Throws ApiError `not_found` for a session that is not the asker's.
 */
export async function openSession(
  sessions: AgentSessions,
  asker: SessionAsker,
  sessionId: string | null,
  newId: string,
): Promise<OpenSession> {
  const { accountId, agent, user } = asker;
  if (sessionId !== null) return ownSession(await sessions.find(accountId, sessionId), sessionId, asker);
  await sessions.remember(accountId, { sessionId: newId, agent, user, place: null });
  return { id: newId, place: null };
}

/**
 * A session belongs to an account, an agent and a user. Throws ApiError `not_found` for another one's, in the same words
 * as for one that does not exist, so that ids cannot be guessed at.
 */
export function ownSession(
  found: AgentSession | null,
  sessionId: string,
  asker: Pick<SessionAsker, 'agent' | 'user'>,
): OpenSession {
  if (found?.agent !== asker.agent || found.user !== asker.user) {
    throw new ApiError('not_found', { detail: 'There is no such conversation.', param: 'conversation_id' });
  }
  return { id: sessionId, place: found.place };
}

/**
 * Names a user of an account towards a platform. Platforms let a user read their own conversations and files, so users
 * of the same name in two accounts must differ. `endUser`: what names the account there.
 */
export function platformUser(endUser: string, user: string): string {
  return createHash('sha256')
    .update(JSON.stringify([endUser, user]))
    .digest('hex')
    .slice(0, 40);
}
