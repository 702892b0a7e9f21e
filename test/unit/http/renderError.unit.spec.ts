import { describe, expect, it } from 'vitest';
import { ApiError, ERRORS, type ErrorCode } from '../../../services/http/errors.ts';
import { renderError } from '../../../services/http/renderError.ts';

const limited = new ApiError('insufficient_quota', {
  param: 'model',
  extra: { limit: '5' },
  cause: new Error('secret'),
});

describe('An error', () => {
  it("has OpenAI's shape", () => {
    expect(renderError(limited, 'openai', 'r1').body).toEqual({
      error: {
        message: 'The quota of the API key or account does not cover this call.',
        type: 'insufficient_quota',
        param: 'model',
        code: 'insufficient_quota',
        request_id: 'r1',
        limit: '5',
      },
    });
  });

  it("has AI Hub's shape, which knows one type for everything limited", () => {
    expect(renderError(limited, 'aihub', 'r1').body).toEqual({
      success: false,
      error: {
        type: 'rate_limit_error',
        message: 'The quota of the API key or account does not cover this call.',
        code: 'insufficient_quota',
        details: {
          hint: 'Wait before the next try, or raise the limit.',
          request_id: 'r1',
          param: 'model',
          limit: '5',
        },
      },
    });
    const missing = renderError(new ApiError('not_found'), 'aihub', 'r1').body;
    expect(missing).toMatchObject({ error: { type: 'invalid_request_error', details: { request_id: 'r1' } } });
  });

  it.each([
    ['missing_api_key', 'authentication_failed'],
    ['invalid_api_key', 'invalid_api_key'],
  ] as const)('%s is an invalid request for OpenAI’s clients, with the code %s', (code, told) => {
    expect(renderError(new ApiError(code), 'openai', 'r1').body).toMatchObject({
      error: { type: 'invalid_request_error', code: told },
    });
  });

  it.each([
    ['invalid_request', 400, 'invalid_request_error'],
    ['invalid_api_key', 401, 'authentication_error'],
    ['model_not_allowed', 403, 'permission_error'],
    ['insufficient_quota', 402, 'billing_error'],
    ['model_not_found', 404, 'not_found_error'],
    ['idempotency_in_flight', 409, 'conflict_error'],
    ['request_too_large', 413, 'request_too_large'],
    ['rate_limit_exceeded', 429, 'rate_limit_error'],
    ['internal_error', 500, 'api_error'],
    ['bad_gateway', 502, 'api_error'],
    ['service_unavailable', 529, 'overloaded_error'],
    ['no_channel', 529, 'overloaded_error'],
    ['gateway_timeout', 504, 'timeout_error'],
  ] as const)('%s has Anthropic’s status %d and type %s', (code, status, type) => {
    const told = renderError(new ApiError(code), 'claude', 'r1');
    expect(told.status).toBe(status);
    expect(told.body).toEqual({
      type: 'error',
      error: { type, message: ERRORS[code].message, code },
      request_id: 'r1',
    });
    expect(told.headers['request-id']).toBe('r1');
  });

  it.each([
    ['invalid_request', 400, 'INVALID_ARGUMENT'],
    ['invalid_api_key', 401, 'UNAUTHENTICATED'],
    ['model_not_allowed', 403, 'PERMISSION_DENIED'],
    ['not_found', 404, 'NOT_FOUND'],
    ['insufficient_quota', 429, 'RESOURCE_EXHAUSTED'],
    ['internal_error', 500, 'INTERNAL'],
    ['service_unavailable', 503, 'UNAVAILABLE'],
    ['gateway_timeout', 504, 'DEADLINE_EXCEEDED'],
  ] as const)('%s has Google’s status %d %s and its reason', (code, status, word) => {
    const { body } = renderError(new ApiError(code, { retryAfterMs: 1_500 }), 'gemini', 'r1');
    expect(body).toMatchObject({
      error: {
        code: status,
        status: word,
        details: [
          { reason: code.toUpperCase() },
          { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.5s' },
        ],
      },
    });
  });

  it.each([
    ['missing_api_key', null, 'MISSING_API_KEY'],
    ['invalid_api_key', null, 'INVALID_API_KEY'],
    ['insufficient_quota', null, 'RATE_LIMIT_EXCEEDED'],
    ['rate_limit_exceeded', null, 'RATE_LIMIT_EXCEEDED'],
    ['key_disabled', null, 'AUTHENTICATION_ERROR'],
    ['admin_required', null, 'ADMIN_REQUIRED'],
    ['invalid_request', 'messages', 'MISSING_MESSAGES'],
    ['invalid_request', 'prompt', 'MISSING_PROMPT'],
    ['unsupported_parameter', 'messages', 'AI_SERVICE_ERROR'],
    ['unsupported_parameter', 'prompt', 'AI_SERVICE_ERROR'],
    ['invalid_request', 'model', 'AI_SERVICE_ERROR'],
    ['no_channel', null, 'OLLAMA_CONNECTION_ERROR'],
    ['internal_error', null, 'AI_SERVICE_ERROR'],
  ] as const)('%s of %s has the Ollama service’s code %s', (code, param, told) => {
    const error = new ApiError(code, param === null ? {} : { param });
    expect(renderError(error, 'ollama', 'r1').body).toEqual({ error: ERRORS[code].message, code: told });
  });

  it('has the gateway’s shape', () => {
    expect(renderError(new ApiError('rate_limit_exceeded'), 'gateway', 'r1').body).toEqual({
      code: 429,
      msg: ERRORS.rate_limit_exceeded.message,
      detail: 'rate_limit_exceeded',
      request_id: 'r1',
    });
  });

  it('is plain for machines', () => {
    expect(renderError(new ApiError('not_found'), 'plain', 'r1').body).toEqual({
      code: 'not_found',
      message: 'There is nothing here.',
      request_id: 'r1',
    });
  });

  it.each([
    [1, '1', '1'],
    [0, '1', '1'],
    [999.2, '1', '1000'],
    [1_001, '2', '1001'],
  ])('says after %d ms when to try again, in whole seconds of at least one', (retryAfterMs, seconds, ms) => {
    const { headers } = renderError(new ApiError('rate_limit_exceeded', { retryAfterMs }), 'openai', 'r1');
    expect(headers).toEqual({
      'x-request-id': 'r1',
      'x-should-retry': 'true',
      'retry-after': seconds,
      'retry-after-ms': ms,
    });
  });

  it.each(Object.keys(ERRORS) as ErrorCode[])(
    '%s has its status and says whether to retry, in every dialect',
    (code) => {
      const error = new ApiError(code);
      expect(error.status).toBe(ERRORS[code].status);
      for (const dialect of ['openai', 'aihub', 'plain'] as const) {
        const { body, headers } = renderError(error, dialect, 'r1');
        expect(headers).toEqual({ 'x-request-id': 'r1', 'x-should-retry': String(ERRORS[code].retry) });
        expect(JSON.stringify(body)).toContain(
          code === 'missing_api_key' && dialect === 'openai' ? 'authentication_failed' : code,
        );
      }
    },
  );

  it('tells nothing of its cause', () => {
    for (const dialect of ['openai', 'claude', 'gemini', 'ollama', 'aihub', 'gateway', 'plain'] as const) {
      expect(JSON.stringify(renderError(limited, dialect, 'r1'))).not.toContain('secret');
    }
  });
});
