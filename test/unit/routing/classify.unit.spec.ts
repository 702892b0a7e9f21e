import { describe, expect, it } from 'vitest';
import { classifyAnswer, classifyFailure, type Verdict } from '../../../services/relay/routing/classify.ts';

type Expected = readonly [code: Verdict['code'], failOver: boolean, cool: Verdict['cool']];

function judged({ code, failOver, cool }: Verdict): Expected {
  return [code, failOver, cool];
}

describe('an error status of an upstream', () => {
  const table: readonly (readonly [number, string, Expected])[] = [
    [400, '{"error":{"message":"bad"}}', ['upstream_invalid_request', false, 'none']],
    [400, '{"error":{"message":"x","details":[{"reason":"API_KEY_INVALID"}]}}', ['bad_gateway', true, 'now']],
    [
      400,
      '[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key."}}]',
      ['bad_gateway', true, 'now'],
    ],
    [
      400,
      '{"error":{"message":"Your credit balance is too low to access the API"}}',
      ['service_unavailable', true, 'now'],
    ],
    [400, '{"error":{"code":"content_filter","message":"blocked"}}', ['content_filter', false, 'none']],
    [400, '{"error":{"code":"content_policy_violation"}}', ['content_filter', false, 'none']],
    [401, '{"error":{"code":"invalid_api_key"}}', ['bad_gateway', true, 'now']],
    [402, '', ['service_unavailable', true, 'now']],
    [403, '{"error":{"message":"Country not supported"}}', ['bad_gateway', true, 'now']],
    [
      403,
      '{"error":{"message":"Input flagged by moderation","code":403}}',
      ['upstream_invalid_request', false, 'none'],
    ],
    [403, '{"error":{"message":"no access","code":"model_not_found"}}', ['model_not_found', true, 'none']],
    [404, 'not found', ['model_not_found', true, 'none']],
    [405, '', ['bad_gateway', true, 'count']],
    [408, '', ['gateway_timeout', true, 'count']],
    [409, '', ['bad_gateway', true, 'count']],
    [410, '', ['model_not_found', true, 'none']],
    [413, '{"message":"too large"}', ['request_too_large', false, 'none']],
    [422, '{"detail":[{"msg":"field required"}]}', ['upstream_invalid_request', false, 'none']],
    [429, '', ['upstream_rate_limited', true, 'now']],
    [429, '{"error":{"code":"insufficient_quota"}}', ['service_unavailable', true, 'now']],
    [429, '{"error":{"type":"insufficient_quota","message":"You exceeded', ['service_unavailable', true, 'now']],
    [499, '', ['bad_gateway', true, 'count']],
    [500, '{"error":{"code":"insufficient_quota"}}', ['bad_gateway', true, 'count']],
    [502, '<html>Bad gateway</html>', ['bad_gateway', true, 'count']],
    [503, '', ['service_unavailable', true, 'count']],
    [504, '', ['gateway_timeout', true, 'count']],
    [520, '', ['bad_gateway', true, 'count']],
    [524, '', ['gateway_timeout', true, 'count']],
    [529, '', ['service_unavailable', true, 'count']],
    [307, '', ['bad_gateway', true, 'count']],
  ];

  it.each(table)('%i %s', (status, body, expected) => {
    expect(judged(classifyAnswer(status, {}, body))).toEqual(expected);
  });

  it('never becomes 401 or 403 for the client, whose key is fine', () => {
    for (let status = 300; status < 600; status += 1) {
      expect(['invalid_api_key', 'missing_api_key', 'key_disabled', 'model_not_allowed']).not.toContain(
        classifyAnswer(status, {}, '').code,
      );
    }
  });

  it('cannot be talked into cooling a channel by an echoed request', () => {
    const echo =
      '{"error":{"message":"Invalid value: \'insufficient balance, credit balance is too low, API key not valid\'"}}';
    for (const status of [400, 404, 413, 422]) expect(classifyAnswer(status, {}, echo).cool).toBe('none');
  });
});

describe('an error in disguise under 200', () => {
  it.each([
    ['{"error":{"code":429,"message":"slow down"}}', ['upstream_rate_limited', true, 'now']],
    ['{"error":{"type":"invalid_request_error","message":"bad"}}', ['upstream_invalid_request', false, 'none']],
    ['{"error":{"type":"rate_limit_error"}}', ['upstream_rate_limited', true, 'now']],
    ['{"error":{"type":"insufficient_quota"}}', ['service_unavailable', true, 'now']],
    ['{"error":{"code":"invalid_api_key"}}', ['bad_gateway', true, 'now']],
    ['{"error":{"type":"overloaded_error"}}', ['service_unavailable', true, 'count']],
    ['{"type":"error","error":{"type":"api_error","message":"x"}}', ['bad_gateway', true, 'count']],
    ['{"type":"error","error":{"type":"timeout_error"}}', ['gateway_timeout', true, 'count']],
    ['{"type":"error","error":{"type":"not_found_error"}}', ['model_not_found', true, 'none']],
    ['{"type":"error","error":{"type":"billing_error"}}', ['service_unavailable', true, 'now']],
    ['{"error":{"status":"RESOURCE_EXHAUSTED"}}', ['upstream_rate_limited', true, 'now']],
    ['{"error":{"status":"UNAUTHENTICATED"}}', ['bad_gateway', true, 'now']],
    ['{"error":{"status":"INVALID_ARGUMENT"}}', ['upstream_invalid_request', false, 'none']],
    ['{"error":{"status":"UNAVAILABLE"}}', ['service_unavailable', true, 'count']],
    ['{"error":{"code":400,"status":"CONTENT_FILTER"}}', ['content_filter', false, 'none']],
    ['{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}', ['service_unavailable', true, 'now']],
    ['{"error":"oops"}', ['bad_gateway', true, 'count']],
    ['<html></html>', ['bad_gateway', true, 'count']],
    ['', ['bad_gateway', true, 'count']],
  ] as const)('%s', (body, expected) => {
    expect(judged(classifyAnswer(200, {}, body))).toEqual(expected);
  });
});

describe('a call without an answer', () => {
  it.each([
    ['unreachable', ['service_unavailable', true, 'count']],
    ['timeout', ['gateway_timeout', true, 'count']],
    ['cut', ['bad_gateway', true, 'count']],
    ['oversize', ['bad_gateway', false, 'count']],
    ['overloaded', ['service_unavailable', true, 'none']],
    ['aborted', ['service_unavailable', false, 'none']],
  ] as const)('%s', (kind, expected) => {
    expect(judged(classifyFailure({ kind }))).toEqual(expected);
  });
});

describe('what a verdict adds', () => {
  it('is the hint of the upstream for client and channel', () => {
    expect(classifyAnswer(429, { 'retry-after': '7' }, '')).toMatchObject({ coolMs: 7_000, retryAfterMs: 7_000 });
    expect(classifyAnswer(503, { 'retry-after-ms': '250' }, '')).toMatchObject({
      cool: 'now',
      coolMs: 250,
      retryAfterMs: 250,
    });
    expect(classifyAnswer(429, {}, '')).toMatchObject({ coolMs: 5_000, retryAfterMs: 5_000 });
  });

  it('is a long rest for a rejected credential, of which the client is told nothing', () => {
    expect(
      classifyAnswer(401, { 'retry-after': '7' }, '{"error":{"message":"Incorrect API key sk-abcdefgh"}}'),
    ).toEqual({
      code: 'bad_gateway',
      failOver: true,
      cool: 'now',
      coolMs: 300_000,
      retryAfterMs: null,
      message: null,
    });
  });

  it('is the message where the request is at fault, without secrets', () => {
    expect(classifyAnswer(400, {}, '{"error":{"message":"max_tokens is too large"}}').message).toBe(
      'max_tokens is too large',
    );
    expect(classifyAnswer(400, {}, '{"error":{"message":"key sk-abcdefgh of org-abcdefgh1"}}').message).toBe(
      'key [key] of [id]',
    );
    expect(classifyAnswer(400, {}, '<html>').message).toBeNull();
    expect(classifyAnswer(500, {}, '{"error":{"message":"stack at 10.0.0.1"}}').message).toBeNull();
  });
});
