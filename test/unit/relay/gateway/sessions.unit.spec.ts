import { describe, expect, it } from 'vitest';
import { agentList, agentOf } from '../../../../services/relay/dialects/gateway/agents.ts';
import {
  openSession,
  ownSession,
  platformUser,
  type AgentSession,
  type AgentSessions,
} from '../../../../services/relay/dialects/gateway/sessions.ts';

const OWN: AgentSession = { agent: 'dify', user: 'anna', place: { channel: 'c', platformId: 'conversation-1' } };
const ANNA = { accountId: 'account-1', agent: 'dify', user: 'anna' } as const;
const NOT_FOUND = { code: 'not_found', param: 'conversation_id', message: 'There is no such conversation.' };

/** Remembers in a map, by account. */
class MapSessions implements AgentSessions {
  readonly kept = new Map<string, AgentSession>();

  find(accountId: string, sessionId: string): Promise<AgentSession | null> {
    return Promise.resolve(this.kept.get(`${accountId}/${sessionId}`) ?? null);
  }

  remember(accountId: string, { sessionId, ...session }: AgentSession & { sessionId: string }): Promise<void> {
    this.kept.set(`${accountId}/${sessionId}`, session);
    return Promise.resolve();
  }
}

describe('A session', () => {
  it('is the asker’s own when agent and user are the same', () => {
    expect(ownSession(OWN, 's1', ANNA)).toEqual({ id: 's1', place: OWN.place });
  });

  it.each([
    ['that does not exist', null],
    ['of another agent', { ...OWN, agent: 'coze' as const }],
    ['of another user', { ...OWN, user: 'bert' }],
  ])('%s is not found, in the same words', (_, found) => {
    expect(() => ownSession(found, 's1', ANNA)).toThrow(expect.objectContaining(NOT_FOUND));
  });

  it('that none was named for is new, and known before the client has its id', async () => {
    const sessions = new MapSessions();
    expect(await openSession(sessions, ANNA, null, 's9')).toEqual({ id: 's9', place: null });
    expect([...sessions.kept]).toEqual([['account-1/s9', { agent: 'dify', user: 'anna', place: null }]]);
    expect(await openSession(sessions, ANNA, 's9', 'unused')).toEqual({ id: 's9', place: null });
    expect(sessions.kept.size).toBe(1);
  });

  it('goes on under the platform’s name once that was remembered', async () => {
    const sessions = new MapSessions();
    await sessions.remember('account-1', { sessionId: 's1', ...OWN });
    expect(await openSession(sessions, ANNA, 's1', 'unused')).toEqual({ id: 's1', place: OWN.place });
  });

  it('of another account is not found, and none is made in its place', async () => {
    const sessions = new MapSessions();
    await sessions.remember('account-2', { sessionId: 's1', ...OWN });
    await expect(openSession(sessions, ANNA, 's1', 'unused')).rejects.toMatchObject(NOT_FOUND);
    expect(sessions.kept.size).toBe(1);
  });
});

describe('A user towards a platform', () => {
  it('is the same for the same user of an account, and nobody else', () => {
    const users = [
      platformUser('account-1', 'anna'),
      platformUser('account-2', 'anna'),
      platformUser('account-1', 'bert'),
      platformUser('account-1a', 'nna'),
    ];
    expect(platformUser('account-1', 'anna')).toBe(users[0]);
    expect(new Set(users).size).toBe(4);
    for (const user of users) expect(user).toMatch(/^[0-9a-f]{40}$/);
  });
});

describe('The header Agent', () => {
  it.each(['fastgpt', 'FastGPT', ' FASTGPT '])('selects a platform as %j', (agent) => {
    expect(agentOf({ agent })).toBe('fastgpt');
  });

  it.each([{}, { agent: '' }, { agent: ' ' }])('must be given: %j', (headers) => {
    expect(() => agentOf(headers)).toThrow(expect.objectContaining({ code: 'invalid_request', param: 'Agent' }));
  });

  it.each(['openai', 'dify, coze', '__proto__'])('must be known: %j', (agent) => {
    expect(() => agentOf({ agent })).toThrow(expect.objectContaining({ code: 'not_found' }));
  });

  it('may be any of the agents that are listed', () => {
    expect(agentList(new Set(['dify']), new Set(['dify', 'coze']))).toEqual([
      listed('fastgpt', 'FastGPT', false, false),
      listed('dify', 'Dify', true, true),
      listed('coze', 'Coze', true, false),
    ]);
  });
});

function listed(id: string, name: string, upload: boolean, available: boolean): object {
  return { id, name, platform: id, capabilities: { stream: true, upload }, available };
}
