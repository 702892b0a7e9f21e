import type pg from 'pg';
import type { AgentSession, AgentSessions } from '../../services/relay/dialects/gateway/sessions.ts';
import { AGENTS } from '../../services/relay/dialects/gateway/agents.ts';
import { isStorable } from '../../services/storableText.ts';
import { asStoreError } from './database.ts';

/** A conversation that nobody has gone on with for so long is forgotten. */
const DAYS_KEPT = 30;
/** Each write takes so many forgotten ones away, so they never pile up and no write waits for many. */
const SWEPT_PER_WRITE = 10;

interface Row {
  readonly agent: string;
  readonly user_hash: string;
  readonly channel: string | null;
  readonly platform_id: string | null;
}

/** Conversations of agent platforms in the table `agent_sessions`. Throws StoreUnavailable. */
export function postgresAgentSessions(pool: pg.Pool): AgentSessions {
  const query = async (text: string, values: readonly unknown[]) => {
    try {
      return await pool.query<Row>(text, [...values]);
    } catch (error) {
      throw asStoreError(error, 'agent sessions');
    }
  };
  return {
    async find(accountId, sessionId) {
      if (!isStorable(sessionId)) return null;
      const { rows } = await query(
        `SELECT agent, user_hash, channel, platform_id FROM agent_sessions
         WHERE account_id = $1 AND session_id = $2 AND touched_at > now() - $3 * interval '1 day'`,
        [accountId, sessionId, DAYS_KEPT],
      );
      return rows[0] ? sessionOf(rows[0]) : null;
    },
    async remember(accountId, { sessionId, agent, user, place }) {
      await query(
        `WITH swept AS (
           DELETE FROM agent_sessions WHERE (account_id, session_id) IN (
             SELECT account_id, session_id FROM agent_sessions
             WHERE touched_at <= now() - $7 * interval '1 day' LIMIT $8 FOR UPDATE SKIP LOCKED))
         INSERT INTO agent_sessions (account_id, session_id, agent, user_hash, channel, platform_id)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (account_id, session_id) DO UPDATE
           SET agent = excluded.agent, user_hash = excluded.user_hash,
               channel = excluded.channel, platform_id = excluded.platform_id, touched_at = now()`,
        [accountId, sessionId, agent, user, place?.channel, place?.platformId, DAYS_KEPT, SWEPT_PER_WRITE],
      );
    },
  };
}

function sessionOf({ agent, user_hash: user, channel, platform_id: platformId }: Row): AgentSession | null {
  const known = AGENTS.find((name) => name === agent);
  const place = channel === null || platformId === null ? null : { channel, platformId };
  return known ? { agent: known, user, place } : null;
}
