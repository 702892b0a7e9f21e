import type { IncomingHttpHeaders } from 'node:http';
import { ApiError } from '../../../http/errors.ts';

/** The platforms that a call may name; each is the name of a priced model too. */
export const AGENTS = ['fastgpt', 'dify', 'coze'] as const;
export type Agent = (typeof AGENTS)[number];

const LABELS: Readonly<Record<Agent, string>> = { fastgpt: 'FastGPT', dify: 'Dify', coze: 'Coze' };

/** The platform that the header `Agent` selects, in any case. Throws ApiError `invalid_request` or `not_found`. */
export function agentOf(headers: IncomingHttpHeaders): Agent {
  const stated = headers['agent'];
  const name = (typeof stated === 'string' ? stated : '').trim().toLowerCase();
  if (name === '') {
    throw new ApiError('invalid_request', {
      detail: `Agent: this header must name one of ${AGENTS.join(', ')}`,
      param: 'Agent',
    });
  }
  const agent = AGENTS.find((known) => known === name);
  if (agent === undefined) {
    throw new ApiError('not_found', {
      detail: `There is no such agent; known are ${AGENTS.join(', ')}.`,
      param: 'Agent',
    });
  }
  return agent;
}

export interface ListedAgent {
  readonly id: Agent;
  readonly name: string;
  readonly platform: Agent;
  readonly capabilities: { readonly stream: boolean; readonly upload: boolean };
  readonly available: boolean;
}

/** The data of `GET /agents`: every platform, those without a channel as not available. */
export function agentList(available: ReadonlySet<Agent>, uploads: ReadonlySet<Agent>): ListedAgent[] {
  return AGENTS.map((agent) => ({
    id: agent,
    name: LABELS[agent],
    platform: agent,
    capabilities: { stream: true, upload: uploads.has(agent) },
    available: available.has(agent),
  }));
}
