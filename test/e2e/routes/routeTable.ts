import type { Dialect, Policy } from '../../../services/http/route.ts';

/**
 * What a route may do. `call`: it reaches an upstream, so each call is one hold and one usage event. `count`: it counts
 * tokens by itself, free of charge. `upload`: it stores what the client sends. `own`: it reads or changes what is ours.
 */
export type Reach = 'call' | 'count' | 'upload' | 'own';

/** A route as it must be. `varies`: its dialect depends on what the client sends; the one here is that of a bare call. */
export type Row = readonly [
  method: string,
  path: string,
  policy: Policy,
  dialect: Dialect,
  reach: Reach,
  varies?: 'varies',
];

/** Every route of the service. Whoever adds one decides here who may call it, in which dialect, and whether it costs. */
export const ROUTES: readonly Row[] = [
  ['POST', '/v1/chat/completions', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/chat/stream', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/completions', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/responses', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/messages', 'apiKey', 'claude', 'call'],
  ['POST', '/api/v1/chat/completions', 'apiKey', 'aihub', 'call'],
  ['POST', '/api/v1/chat/stream', 'apiKey', 'aihub', 'call'],
  ['POST', '/api/ai-service/chat', 'apiKey', 'ollama', 'call'],
  ['POST', '/api/ai-service/generate', 'apiKey', 'ollama', 'call'],
  ['POST', '/api/v1/chat', 'apiKey', 'gateway', 'call'],
  ['POST', '/v1/embeddings', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/images/generations', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/images/edits', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/audio/speech', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/audio/transcriptions', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/audio/translations', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/moderations', 'apiKey', 'openai', 'call'],
  ['POST', '/v1/rerank', 'apiKey', 'openai', 'call'],
  ['POST', '/v1beta/models/*', 'apiKey', 'gemini', 'call'],
  ['POST', '/v1/models/*', 'apiKey', 'gemini', 'call'],
  ['POST', '/v1/messages/count_tokens', 'apiKey', 'claude', 'count'],
  ['POST', '/v1/responses/input_tokens', 'apiKey', 'openai', 'count'],
  ['POST', '/v1/files', 'apiKey', 'openai', 'upload'],
  ['POST', '/api/v1/upload', 'apiKey', 'gateway', 'upload'],

  ['GET', '/v1/models', 'apiKey', 'openai', 'own', 'varies'],
  ['GET', '/v1/models/*id', 'apiKey', 'openai', 'own', 'varies'],
  ['GET', '/v1beta/models', 'apiKey', 'gemini', 'own'],
  ['GET', '/v1beta/models/*id', 'apiKey', 'gemini', 'own'],
  ['GET', '/v1/chat/models', 'apiKey', 'openai', 'own'],
  ['GET', '/api/v1/chat/models', 'apiKey', 'aihub', 'own'],
  ['GET', '/api/ai-service/models', 'apiKey', 'ollama', 'own'],
  ['GET', '/v1/responses/:id', 'apiKey', 'openai', 'own'],
  ['DELETE', '/v1/responses/:id', 'apiKey', 'openai', 'own'],
  ['POST', '/v1/responses/:id/cancel', 'apiKey', 'openai', 'own'],
  ['GET', '/api/v1/agents', 'apiKey', 'gateway', 'own'],
  ['GET', '/v1/files', 'apiKey', 'openai', 'own'],
  ['GET', '/v1/files/:id', 'apiKey', 'openai', 'own'],
  ['DELETE', '/v1/files/:id', 'apiKey', 'openai', 'own'],
  ['GET', '/v1/files/:id/content', 'apiKey', 'openai', 'own'],
  // Reading a file needs no key but a signature in its address.
  ['GET', '/files/:id', 'public', 'gateway', 'own'],
  // A batch has one hold, taken here, and one usage event, recorded by the job that runs it.
  ['POST', '/v1/batches', 'apiKey', 'openai', 'own'],
  ['GET', '/v1/batches', 'apiKey', 'openai', 'own'],
  ['GET', '/v1/batches/:id', 'apiKey', 'openai', 'own'],
  ['POST', '/v1/batches/:id/cancel', 'apiKey', 'openai', 'own'],

  ['POST', '/api/v1/developer/auth/register', 'public', 'aihub', 'own'],
  ['POST', '/api/v1/developer/auth/login', 'public', 'aihub', 'own'],
  ['POST', '/api/v1/login', 'public', 'gateway', 'own'],
  ['POST', '/api/v1/developer/keys/keys', 'user', 'aihub', 'own'],
  ['GET', '/api/v1/developer/keys/keys', 'user', 'aihub', 'own'],
  ['GET', '/api/v1/developer/keys/quota', 'user', 'aihub', 'own'],
  ['GET', '/api/v1/developer/keys/keys/:id/usage', 'user', 'aihub', 'own'],
  ['PATCH', '/api/v1/developer/keys/keys/:id', 'user', 'aihub', 'own'],
  ['POST', '/api/v1/developer/keys/keys/:id/rotate', 'user', 'aihub', 'own'],
  ['POST', '/api/v1/developer/keys/keys/:id/disable', 'user', 'aihub', 'own'],
  ['POST', '/api/v1/developer/keys/keys/:id/enable', 'user', 'aihub', 'own'],
  ['DELETE', '/api/v1/developer/keys/keys/:id', 'user', 'aihub', 'own'],
  ['GET', '/api/v1/api-keys', 'user', 'aihub', 'own', 'varies'],
  ['POST', '/api/v1/api-keys', 'user', 'aihub', 'own', 'varies'],
  ['PUT', '/api/v1/api-keys/:id', 'user', 'aihub', 'own', 'varies'],
  ['DELETE', '/api/v1/api-keys/:id', 'user', 'aihub', 'own', 'varies'],
  ['GET', '/api/v1/api-keys/:id/permissions', 'user', 'aihub', 'own', 'varies'],
  ['PUT', '/api/v1/api-keys/:id/permissions', 'user', 'aihub', 'own', 'varies'],
  ['POST', '/api/ai-api/keys', 'user', 'ollama', 'own'],
  ['GET', '/api/ai-api/keys', 'user', 'ollama', 'own'],
  ['DELETE', '/api/ai-api/keys/:keyId', 'user', 'ollama', 'own'],
  ['GET', '/api/ai-api/usage', 'user', 'ollama', 'own'],
  ['GET', '/api/ai-api/admin/keys', 'admin', 'ollama', 'own'],
  ['PATCH', '/api/ai-api/admin/keys/:keyId', 'admin', 'ollama', 'own'],
  ['GET', '/api/ai-api/admin/stats', 'admin', 'ollama', 'own'],

  ['GET', '/livez', 'public', 'plain', 'own'],
  ['GET', '/readyz', 'public', 'plain', 'own'],
  ['GET', '/metrics', 'public', 'plain', 'own'],
];

type Json = Readonly<Record<string, unknown>>;

/** Whether a body is an error as the clients of a dialect know it. */
export const IS_ERROR: Readonly<Record<Dialect, (body: Json) => boolean>> = {
  openai: ({ error }) => has(error, 'type') && has(error, 'message'),
  claude: ({ type, error }) => type === 'error' && has(error, 'type') && has(error, 'message'),
  gemini: ({ error }) => has(error, 'status') && has(error, 'message'),
  ollama: ({ error, code }) => typeof error === 'string' && typeof code === 'string',
  aihub: ({ success, error }) => success === false && has(error, 'type') && has(error, 'code'),
  gateway: ({ code, msg }) => typeof code === 'number' && typeof msg === 'string',
  plain: ({ code, message }) => typeof code === 'string' && typeof message === 'string',
};

function has(object: unknown, member: string): boolean {
  return typeof (object as Json | undefined)?.[member] === 'string';
}
