import { ERRORS, type ApiError } from './errors.ts';
import { CLAUDE, GEMINI_STATUS, HUB_HINT, OLLAMA_CODE, OPENAI } from './errorDialects.ts';
import type { Dialect } from './route.ts';

export interface RenderedError {
  readonly status: number;
  readonly body: object;
  readonly headers: Record<string, string>;
}

/** An error as the dialect's clients read it, with the headers that say whether and when to try again. */
export function renderError(error: ApiError, dialect: Dialect, requestId: string): RenderedError {
  return {
    status: statusOf(error, dialect),
    body: body(error, dialect, requestId),
    headers: errorHeaders(error, dialect, requestId),
  };
}

function statusOf(error: ApiError, dialect: Dialect): number {
  return (dialect === 'claude' ? CLAUDE[error.code]?.status : undefined) ?? error.status;
}

function body(error: ApiError, dialect: Dialect, requestId: string): object {
  const { message, code, param, extra, status } = error;
  const { type } = ERRORS[code];
  switch (dialect) {
    case 'openai':
      return { error: { message, type, param, code, ...OPENAI[code], request_id: requestId, ...extra } };
    case 'claude':
      return {
        type: 'error',
        error: { type: CLAUDE[code]?.type ?? claudeType(type), message, code, ...extra },
        request_id: requestId,
      };
    case 'gemini':
      return { error: { code: status, message, status: GEMINI_STATUS[status] ?? 'UNKNOWN', details: details(error) } };
    case 'ollama':
      return { error: message, code: ollamaCode(error), ...extra };
    case 'aihub': {
      // AI Hub's table knows one type for everything that is limited.
      const hubType = type === 'insufficient_quota' ? 'rate_limit_error' : type;
      const hint = HUB_HINT[hubType];
      const about = { hint, request_id: requestId, ...(param === null ? {} : { param }), ...extra };
      return { success: false, error: { type: hubType, message, code, details: about } };
    }
    case 'gateway':
      return { code: status, msg: message, detail: code, request_id: requestId, ...extra };
    case 'plain':
      return { code, message, request_id: requestId };
  }
}

function claudeType(type: (typeof ERRORS)[keyof typeof ERRORS]['type']): string {
  if (type === 'server_error') return 'api_error';
  return type === 'insufficient_quota' ? 'billing_error' : type;
}

function ollamaCode({ code, param }: ApiError): string {
  if (code === 'invalid_request' && param === 'messages') return 'MISSING_MESSAGES';
  if (code === 'invalid_request' && param === 'prompt') return 'MISSING_PROMPT';
  return OLLAMA_CODE[code] ?? 'AI_SERVICE_ERROR';
}

/** Google's machine-readable reasons: which of our errors it is, and when to try again. */
function details({ code, extra, retryAfterMs }: ApiError): object[] {
  const reason = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason: code.toUpperCase(),
    domain: 'tallystick',
    metadata: Object.fromEntries(Object.entries(extra).map(([name, value]) => [name, String(value)])),
  };
  if (retryAfterMs === null) return [reason];
  const retryDelay = `${String(retryAfterMs / 1_000)}s`;
  return [reason, { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay }];
}

function errorHeaders(error: ApiError, dialect: Dialect, requestId: string): Record<string, string> {
  const headers: Record<string, string> = {
    'x-request-id': requestId,
    'x-should-retry': String(ERRORS[error.code].retry),
  };
  if (dialect === 'claude') headers['request-id'] = requestId;
  if (error.retryAfterMs !== null) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1_000)));
    headers['retry-after-ms'] = String(Math.max(1, Math.ceil(error.retryAfterMs)));
  }
  return headers;
}
