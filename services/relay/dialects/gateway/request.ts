import { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';
import type { BodyRules } from '../../usage/bodySize.ts';
import type { Json } from '../../wire/json.ts';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';

const MAX_FILES = 20;

const name = z.string().min(1).max(256);
/** Clients that have no conversation yet may send an empty name. */
const sessionName = z.string().max(200).nullish();
/** The reply to an upload may come back whole, with an address beside its id; then the id counts. */
const file = z.union([
  z.looseObject({ id: name }).transform(({ id }) => ({ kind: 'upload' as const, id })),
  z
    .looseObject({ url: z.url({ protocol: /^https?$/ }).max(8_192), type: z.enum(['image', 'document', 'audio']) })
    .transform(({ url, type }) => ({ kind: 'address' as const, url, type })),
]);

/** `POST /api/v1/chat`: what we act on, with bounds. */
const gatewayBody = z.looseObject({
  query: z.string().regex(/\S/, 'must not be empty'),
  user: name,
  stream: z.boolean().nullish(),
  conversation_id: sessionName,
  session_id: sessionName,
  chatId: sessionName,
  files: z.array(file).max(MAX_FILES).nullish(),
});

export type GatewayFile = z.infer<typeof file>;

export interface GatewayRequest {
  readonly body: Json;
  /** The bytes as the client sent them. */
  readonly raw: Buffer;
  readonly query: string;
  /** The client's name for its end user. */
  readonly user: string;
  readonly streamed: boolean;
  /** Our name for the conversation to go on with; null for a new one. */
  readonly sessionId: string | null;
  readonly files: readonly GatewayFile[];
}

/** Reads a chat body. Throws ApiError `invalid_json` or `invalid_request` (with the path of the first problem). */
export function readGatewayRequest(raw: Buffer, maxDepth: number): GatewayRequest {
  const body = readJsonBody(raw, maxDepth, gatewayBody, OUR_MEMBERS);
  return {
    body,
    raw,
    query: body.query,
    user: body.user,
    streamed: body.stream === true,
    sessionId: oneSession(body),
    files: body.files ?? [],
  };
}

/** The same conversation has three names, one per platform; two that differ cannot both be meant. */
function oneSession(body: z.infer<typeof gatewayBody>): string | null {
  const named = [body.conversation_id, body.session_id, body.chatId].filter((id) => id !== undefined && id !== null);
  const ids = new Set(named.filter((id) => id !== ''));
  if (ids.size > 1) {
    throw new ApiError('invalid_request', {
      detail: 'conversation_id: another conversation is named beside it',
      param: 'conversation_id',
    });
  }
  return [...ids][0] ?? null;
}

const OUR_MEMBERS = spellingOf(Object.keys(gatewayBody.shape));

/** For counting: only the query is text that a model sees. */
export const GATEWAY_BODY: BodyRules = {
  outside: new Set(['user', 'stream', 'conversation_id', 'session_id', 'chatId']),
  attached: new Set(['files']),
  silent: new Set(),
};
