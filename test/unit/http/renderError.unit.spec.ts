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
        details: { request_id: 'r1', param: 'model', limit: '5' },
      },
    });
    const missing = renderError(new ApiError('not_found'), 'aihub', 'r1').body;
    expect(missing).toMatchObject({ error: { type: 'invalid_request_error', details: { request_id: 'r1' } } });
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
        expect(JSON.stringify(body)).toContain(code);
      }
    },
  );

  it('tells nothing of its cause', () => {
    for (const dialect of ['openai', 'aihub', 'plain'] as const) {
      expect(JSON.stringify(renderError(limited, dialect, 'r1'))).not.toContain('secret');
    }
  });
});
