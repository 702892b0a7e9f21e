/**
 * The error catalogue: every refusal and failure a client can meet, on one page.
 * A code is never reused. `retry` says whether the same call may succeed later; a false one is sent with
 * `x-should-retry: false`. The README's table is checked against this.
 */
export const ERRORS = {
  invalid_json: { status: 400, type: 'invalid_request_error', retry: false, message: 'The body is not valid JSON.' },
  invalid_request: { status: 400, type: 'invalid_request_error', retry: false, message: 'The request is not valid.' },
  missing_api_key: { status: 401, type: 'authentication_error', retry: false, message: 'No API key was given.' },
  invalid_api_key: { status: 401, type: 'authentication_error', retry: false, message: 'The API key is not valid.' },
  invalid_token: {
    status: 401,
    type: 'authentication_error',
    retry: false,
    message: 'Sign in first: the access token is missing, expired or not valid.',
  },
  invalid_credentials: {
    status: 401,
    type: 'authentication_error',
    retry: false,
    message: 'The e-mail address or password is wrong.',
  },
  key_disabled: { status: 403, type: 'permission_error', retry: false, message: 'This API key is disabled.' },
  key_expired: { status: 401, type: 'authentication_error', retry: false, message: 'This API key has expired.' },
  model_not_allowed: {
    status: 403,
    type: 'permission_error',
    retry: false,
    message: 'This API key may not use this model.',
  },
  origin_not_allowed: {
    status: 403,
    type: 'permission_error',
    retry: false,
    message: 'Pages of this origin may not open realtime sessions.',
  },
  admin_required: { status: 403, type: 'permission_error', retry: false, message: 'Only administrators may do this.' },
  max_keys_reached: {
    status: 403,
    type: 'permission_error',
    retry: false,
    message: 'The account has as many API keys as it may have.',
  },
  not_found: { status: 404, type: 'invalid_request_error', retry: false, message: 'There is nothing here.' },
  method_not_allowed: {
    status: 405,
    type: 'invalid_request_error',
    retry: false,
    message: 'This method is not supported here.',
  },
  request_timeout: {
    status: 408,
    type: 'invalid_request_error',
    retry: true,
    message: 'The request did not arrive in time.',
  },
  model_not_found: {
    status: 404,
    type: 'invalid_request_error',
    retry: false,
    message: 'The model does not exist or has no price.',
  },
  email_taken: {
    status: 409,
    type: 'invalid_request_error',
    retry: false,
    message: 'An account with this e-mail address exists.',
  },
  key_state: {
    status: 409,
    type: 'invalid_request_error',
    retry: false,
    message: 'The API key is not in a state that allows this.',
  },
  idempotency_in_flight: {
    status: 409,
    type: 'invalid_request_error',
    retry: true,
    message: 'A call with this Idempotency-Key is still running.',
  },
  idempotency_mismatch: {
    status: 422,
    type: 'invalid_request_error',
    retry: false,
    message: 'This Idempotency-Key was used with another body.',
  },
  request_too_large: { status: 413, type: 'invalid_request_error', retry: false, message: 'The body is too large.' },
  unsupported_media_type: {
    status: 415,
    type: 'invalid_request_error',
    retry: false,
    message: 'The body must be application/json.',
  },
  headers_too_large: {
    status: 431,
    type: 'invalid_request_error',
    retry: false,
    message: 'The headers of the request are too large.',
  },
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    retry: true,
    message: 'Too many requests or tokens per minute.',
  },
  concurrency_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    retry: true,
    message: 'Too many calls of this API key are in flight.',
  },
  insufficient_quota: {
    status: 429,
    type: 'insufficient_quota',
    retry: false,
    message: 'The quota of the API key or account does not cover this call.',
  },
  upstream_invalid_request: {
    status: 400,
    type: 'invalid_request_error',
    retry: false,
    message: 'The provider refused the request.',
  },
  unsupported_parameter: {
    status: 400,
    type: 'invalid_request_error',
    retry: false,
    message: 'The provider of this model cannot take a part of this request.',
  },
  content_filter: {
    status: 400,
    type: 'invalid_request_error',
    retry: false,
    message: 'The provider refused the content of this request.',
  },
  upstream_rate_limited: {
    status: 429,
    type: 'rate_limit_error',
    retry: true,
    message: 'The provider is limiting requests.',
  },
  internal_error: { status: 500, type: 'server_error', retry: true, message: 'Something failed on our side.' },
  bad_gateway: { status: 502, type: 'server_error', retry: true, message: 'The provider answered with an error.' },
  service_unavailable: {
    status: 503,
    type: 'server_error',
    retry: true,
    message: 'The service cannot take this call now.',
  },
  no_channel: { status: 503, type: 'server_error', retry: true, message: 'No provider is available for this model.' },
  gateway_timeout: { status: 504, type: 'server_error', retry: true, message: 'The provider did not answer in time.' },
} as const satisfies Record<string, { status: number; type: string; retry: boolean; message: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal or failure that the client is told about. `detail` replaces the public sentence and must be safe to show. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterMs: number | null;
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    options: {
      readonly detail?: string;
      readonly param?: string;
      readonly retryAfterMs?: number;
      /** Further public fields of the error object, such as the limit that was met. */
      readonly extra?: Readonly<Record<string, unknown>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(options.detail ?? ERRORS[code].message, { cause: options.cause });
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.extra = options.extra ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}
