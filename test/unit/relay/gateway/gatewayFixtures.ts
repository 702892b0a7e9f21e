import type { AnswerReading, Billed, PassageContext, RelayCall } from '../../../../services/relay/call.ts';
import type { UpstreamProtocol } from '../../../../services/relay/canonical/crossing.ts';
import type { Channel, Protocol } from '../../../../services/relay/ports.ts';
import { cozeProtocol } from '../../../../services/relay/dialects/coze/upstream.ts';
import { difyProtocol } from '../../../../services/relay/dialects/dify/upstream.ts';
import { fastgptProtocol } from '../../../../services/relay/dialects/fastgpt/upstream.ts';
import { gatewayCall, type GatewaySetting } from '../../../../services/relay/dialects/gateway/call.ts';
import { readGatewayRequest, type GatewayRequest } from '../../../../services/relay/dialects/gateway/request.ts';
import { openaiProtocol } from '../../../../services/relay/dialects/openai/upstream.ts';
import { CHANNEL } from '../agents/agentFixtures.ts';

export const CONTEXT: PassageContext = {
  requestId: '0195-request',
  createdAt: 1_763_640_000,
  maxOutputTokens: 4_096,
  endUser: 'account-1',
};

export const BILLED: Billed = { usage: { uncachedInput: 3, outputText: 4 }, picos: 10n, currency: 'USD' };

const SPOKEN: Partial<Record<Protocol, UpstreamProtocol>> = {
  openai: openaiProtocol,
  fastgpt: fastgptProtocol,
  dify: difyProtocol,
  coze: cozeProtocol,
};

export function gatewayRequest(change: Readonly<Record<string, unknown>> = {}): GatewayRequest {
  return readGatewayRequest(Buffer.from(JSON.stringify({ query: '你好', user: 'test_user', ...change })), 64);
}

export interface Called {
  readonly call: RelayCall;
  /** The platform's names that the call has told. */
  readonly sessions: string[];
}

export function called(change: Readonly<Record<string, unknown>> = {}, setting: Partial<GatewaySetting> = {}): Called {
  const sessions: string[] = [];
  const call = gatewayCall(gatewayRequest(change), {
    agent: 'dify',
    session: { id: 'session-1', place: null },
    spoken: (protocol) => {
      const known = SPOKEN[protocol];
      if (!known) throw new Error(`not spoken here: ${protocol}`);
      return known;
    },
    onSession: ({ platformId }) => void sessions.push(platformId),
    ...setting,
  });
  return { call, sessions };
}

export function channelOf(protocol: Protocol): Channel {
  return { ...CHANNEL, protocol };
}

/** The body that a call sends through a channel of that protocol. */
export async function sentTo(protocol: Protocol, { call }: Called): Promise<Record<string, unknown>> {
  const { request } = await call.passage(channelOf(protocol), CONTEXT);
  return JSON.parse(request.body?.toString() ?? '') as Record<string, unknown>;
}

export async function readingOf(protocol: Protocol, { call }: Called, contentType: string): Promise<AnswerReading> {
  const passage = await call.passage(channelOf(protocol), CONTEXT);
  return passage.read({ 'content-type': contentType });
}

/** What a client gets for an upstream's stream: the pieces before the settlement, and the last one. */
export async function answerTo(protocol: Protocol, made: Called, stream: string): Promise<[string, string]> {
  const reading = await readingOf(protocol, made, 'text/event-stream');
  const before = String(reading.feed(Buffer.from(stream))) + String(reading.end());
  return [before, String(reading.ending(BILLED))];
}
