import type { ErrorCode } from './errors.ts';

/** Where OpenAI's clients expect other words than our catalogue has. */
export const OPENAI: Readonly<Partial<Record<ErrorCode, { readonly type?: string; readonly code?: string }>>> = {
  missing_api_key: { type: 'invalid_request_error', code: 'authentication_failed' },
  invalid_api_key: { type: 'invalid_request_error' },
};

/** Where Anthropic's table of errors has a type or status of its own. */
export const CLAUDE: Readonly<Partial<Record<ErrorCode, { readonly type: string; readonly status?: number }>>> = {
  not_found: { type: 'not_found_error' },
  model_not_found: { type: 'not_found_error' },
  request_too_large: { type: 'request_too_large' },
  insufficient_quota: { type: 'billing_error', status: 402 },
  service_unavailable: { type: 'overloaded_error', status: 529 },
  no_channel: { type: 'overloaded_error', status: 529 },
  gateway_timeout: { type: 'timeout_error' },
  idempotency_in_flight: { type: 'conflict_error' },
};

/** The word that Google's APIs put beside an HTTP status. */
export const GEMINI_STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  415: 'INVALID_ARGUMENT',
  422: 'FAILED_PRECONDITION',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  502: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/** Codes of the Ollama service's table; everything else is `AI_SERVICE_ERROR`. */
export const OLLAMA_CODE: Readonly<Partial<Record<ErrorCode, string>>> = {
  missing_api_key: 'MISSING_API_KEY',
  invalid_api_key: 'INVALID_API_KEY',
  key_disabled: 'AUTHENTICATION_ERROR',
  key_expired: 'AUTHENTICATION_ERROR',
  model_not_allowed: 'AUTHENTICATION_ERROR',
  invalid_token: 'AUTHENTICATION_ERROR',
  invalid_credentials: 'AUTHENTICATION_ERROR',
  admin_required: 'ADMIN_REQUIRED',
  rate_limit_exceeded: 'RATE_LIMIT_EXCEEDED',
  concurrency_exceeded: 'RATE_LIMIT_EXCEEDED',
  insufficient_quota: 'RATE_LIMIT_EXCEEDED',
  upstream_rate_limited: 'RATE_LIMIT_EXCEEDED',
  no_channel: 'OLLAMA_CONNECTION_ERROR',
  service_unavailable: 'OLLAMA_CONNECTION_ERROR',
  gateway_timeout: 'OLLAMA_CONNECTION_ERROR',
};

/** What AI Hub's table of errors advises for each of its types. */
export const HUB_HINT = {
  authentication_error: 'Check the API key, or sign in again.',
  permission_error: 'Check what the key and the account may use.',
  rate_limit_error: 'Wait before the next try, or raise the limit.',
  invalid_request_error: 'Check the form of the request.',
  server_error: 'Try again later.',
} as const;
