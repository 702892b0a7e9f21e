import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publicMessage } from '../../../services/relay/routing/publicMessage.ts';
import { parseRetryAfter } from '../../../services/relay/routing/retryAfter.ts';
import { readUpstreamError } from '../../../services/relay/routing/upstreamError.ts';

describe('the message of an error body', () => {
  it.each([
    ['{"error":{"message":"a","type":"t"},"message":"b"}', 'a'],
    ['\n\n {"error":{"message":"a"}} ', 'a'],
    ['{"error":"text"}', 'text'],
    ['{"message":"text"}', 'text'],
    ['{"object":"error","message":"text","type":"BadRequestError","code":400}', 'text'],
    ['{"msg":"text"}', 'text'],
    ['{"detail":"text"}', 'text'],
    ['{"detail":[{"loc":["body"],"msg":"field required"}]}', 'field required'],
    ['{"errors":[{"message":"text"}]}', 'text'],
    ['{"errors":["text"]}', 'text'],
    ['[{"error":{"message":"text"}}]', 'text'],
    ['{"base_resp":{"status_code":1004,"status_msg":"text"}}', 'text'],
    ['{"error":{"message":"cut \\"off\\" here","param":{"pro', 'cut "off" here'],
    ['{"error":{"message":"cut o', null],
    ['{"error":{"message":""}}', null],
    ['{"error":{"message":5}}', null],
    ['{"error":null}', null],
    ['<html><body>502 Bad Gateway</body></html>', null],
    ['', null],
    ['null', null],
    ['[]', null],
    ['"text"', null],
  ])('%s', (body, message) => {
    expect(readUpstreamError(body).message).toBe(message);
  });

  it('comes with what machines call it', () => {
    expect(
      readUpstreamError('{"error":{"type":"A_B","code":"c","status":"INVALID","details":[{"reason":"R"}]}}').tags,
    ).toEqual(['a_b', 'c', 'invalid', 'r']);
    expect(readUpstreamError('{"error":{"code":503}}').innerStatus).toBe(503);
    expect(readUpstreamError('{"error":{"code":"429"}}').innerStatus).toBe(429);
    expect(readUpstreamError('{"error":{"code":4101}}').innerStatus).toBeNull();
  });

  it('never makes the reader throw', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (body) => void readUpstreamError(body)));
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
    expect(readUpstreamError(deep).message).toBeNull();
  });
});

describe('what the client may see of it', () => {
  it.each([
    ['Incorrect API key provided: sk-proj-abcDEF123_x.', 'Incorrect API key provided: [key].'],
    ['Incorrect API key provided: sk-abc****wxyz', 'Incorrect API key provided: [key]'],
    ['Authorization: Bearer abc.def', 'Authorization: Bearer [redacted]'],
    ['key AIzaSyA-1234567890_abc', 'key [key]'],
    ['in organization org-AbCdEf123456 for jane.doe+x@corp.example.com', 'in organization [id] for [e-mail]'],
    ['see https://internal.example/path?key=1 now', 'see [url] now'],
    ['postgres://user:pass@db:5432/x refused', '[url] refused'],
    ['connect to 10.1.2.3:8080 or [fe80::1]:80 or localhost:3000', 'connect to [host] or [host] or [host]'],
    ['node-7.gpu.svc.cluster.local and api.internal:99', '[host] and [host]'],
    ['token tly_live_abc123', 'token [key]'],
    ['hash 0123456789abcdef0123456789abcdef', 'hash [redacted]'],
    ['two\nlines\u0000and\ttabs', 'two lines and tabs'],
    ["This model's maximum context length is 8192 tokens.", "This model's maximum context length is 8192 tokens."],
  ])('%s', (message, shown) => {
    expect(publicMessage(message)).toBe(shown);
  });

  it('is at most 500 characters, made in linear time', () => {
    for (const hostile of [
      'a'.repeat(1e6),
      'a.'.repeat(5e5),
      'a@'.repeat(5e5),
      'sk-'.repeat(3e5),
      '1.'.repeat(5e5),
      '[::'.repeat(3e5),
    ]) {
      const startedAt = performance.now();
      expect(publicMessage(hostile).length).toBeLessThanOrEqual(500);
      expect(performance.now() - startedAt).toBeLessThan(500);
    }
  });
});

describe('Retry-After', () => {
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT';

  it.each([
    [{}, null],
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': ' 0.5 ' }, 500],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': ['3', '9'] }, 3_000],
    [{ 'retry-after-ms': '1500.4', 'retry-after': '9' }, 1_501],
    [{ 'retry-after-ms': 'soon', 'retry-after': '9' }, 9_000],
    [{ 'retry-after': '999999999' }, 86_400_000],
    [{ 'retry-after': '-1' }, null],
    [{ 'retry-after': '1e3' }, null],
    [{ 'retry-after': '2030' }, 2_030_000],
    [{ 'retry-after': '2030-01-01' }, null],
    [{ 'retry-after': 'Sun, 06 Nov 1994 08:50:07 GMT', date }, 30_000],
    [{ 'retry-after': 'Sun, 06 Nov 1994 08:40:00 GMT', date }, 0],
    [{ 'retry-after': 'Sun, 06 Nov 1994 08:50:07 GMT' }, null],
    [{ 'retry-after': 'never', date }, null],
  ])('%j is %s ms', (headers, milliseconds) => {
    expect(parseRetryAfter(headers)).toBe(milliseconds);
  });
});
