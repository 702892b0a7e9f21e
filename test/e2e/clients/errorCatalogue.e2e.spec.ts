import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ERRORS, type ErrorCode } from '../../../services/http/errors.ts';
import { Developer, hub } from '../../support/developer.ts';
import { expectWell, startBookedService, type BookedService } from './bookedService.ts';
import { openai, recordingClient, saying } from './sdk.ts';

type ApiError = InstanceType<typeof OpenAI.APIError>;

/** Codes that the tests below have met, for the test that none was forgotten. */
const met = new Set<string>();
let service: BookedService;
let developer: Developer;
let key: string;

beforeAll(async () => {
  service = await startBookedService({ DEFAULT_MAX_KEYS: '12', MAX_BODY_BYTES: '65536' });
  developer = await Developer.register(service.baseUrl);
  key = (await developer.issueKey()).key;
});
afterAll(() => service.dispose());

/** The SDK's class for each status. */
const CLASS_OF: ReadonlyMap<number, new (...args: never[]) => Error> = new Map([
  [400, OpenAI.BadRequestError],
  [401, OpenAI.AuthenticationError],
  [403, OpenAI.PermissionDeniedError],
  [404, OpenAI.NotFoundError],
  [405, OpenAI.APIError],
  [409, OpenAI.ConflictError],
  [413, OpenAI.APIError],
  [415, OpenAI.APIError],
  [422, OpenAI.UnprocessableEntityError],
  [431, OpenAI.APIError],
  [429, OpenAI.RateLimitError],
  [500, OpenAI.InternalServerError],
  [502, OpenAI.InternalServerError],
  [503, OpenAI.InternalServerError],
  [504, OpenAI.InternalServerError],
]);

/**
 * Runs a call that must fail, and asserts everything that the catalogue says of its code: the SDK's class, status, type
 * and sentence, `x-should-retry`, and whether the SDK tries again. Returns the error.
 */
async function expectCode(
  code: ErrorCode,
  run: (client: OpenAI) => Promise<unknown>,
  {
    apiKey = key,
    options = {},
    change,
    retries = 1,
  }: {
    readonly apiKey?: string;
    readonly options?: ConstructorParameters<typeof OpenAI>[0];
    readonly change?: (init: RequestInit) => RequestInit;
    readonly retries?: number;
  } = {},
): Promise<ApiError> {
  const { client, exchanges } = recordingClient(service.baseUrl, apiKey, { maxRetries: retries, ...options }, change);
  const error: unknown = await run(client).then(
    () => 'answered',
    (thrown: unknown) => thrown,
  );
  const stated = { ...ERRORS[code], code, ...(isHub(options) ? HUB_WORDS : OPENAI_WORDS)[code] };
  expect(error).toBeInstanceOf(CLASS_OF.get(stated.status));
  const { status, type, headers, requestID, error: body } = error as ApiError;
  expect({ status, code: (error as ApiError).code, type }).toEqual({
    status: stated.status,
    code: stated.code,
    type: stated.type,
  });
  expect(headers?.get('x-should-retry')).toBe(String(stated.retry));
  expect(requestID).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  expect((body as { message?: unknown }).message).toEqual(expect.any(String));
  expect(exchanges).toHaveLength(stated.retry ? 1 + retries : 1);
  met.add(code);
  return error as ApiError;
}

type Words = Readonly<Partial<Record<ErrorCode, { readonly code?: string; readonly type?: string }>>>;
/** What OpenAI's clients are told in words of their own. */
const OPENAI_WORDS: Words = {
  missing_api_key: { code: 'authentication_failed', type: 'invalid_request_error' },
  invalid_api_key: { type: 'invalid_request_error' },
};
const HUB_WORDS: Words = { insufficient_quota: { type: 'rate_limit_error' } };

function isHub(options: { readonly baseURL?: string | null | undefined }): boolean {
  return options.baseURL?.includes('/api/v1') ?? false;
}

const asUser = () => ({
  apiKey: developer.token,
  options: { baseURL: `${service.baseUrl}/api/v1/developer` },
});

const chat =
  (content = 'Hello') =>
  (client: OpenAI) =>
    client.chat.completions.create(saying(content));

describe('the official client meets, for what is wrong with a request,', () => {
  it('invalid_json', async () => {
    const broken = { change: (init: RequestInit) => ({ ...init, body: '{"model": "tallystick-sim", ' }) };
    const error = await expectCode('invalid_json', chat(), broken);
    expect(error.message).toBe(`400 ${ERRORS.invalid_json.message}`);
  });

  it('invalid_request, with the path of the field', async () => {
    const error = await expectCode('invalid_request', (client) =>
      client.chat.completions.create({ ...saying('Hello'), temperature: 9 }),
    );
    expect(error.param).toBe('temperature');
    expect(error.message).toMatch(/^400 temperature: /);
  });

  it('unsupported_parameter, with the field', async () => {
    const error = await expectCode('unsupported_parameter', (client) =>
      client.completions.create({ model: 'tallystick-sim', prompt: 'Hello', suffix: '!' }),
    );
    expect(error.param).toBe('suffix');
  });

  it('request_too_large', async () => {
    await expectCode('request_too_large', chat('x'.repeat(70_000)));
  });

  it('unsupported_media_type', async () => {
    const asText = (init: RequestInit) => {
      const headers = new Headers(init.headers);
      headers.set('content-type', 'text/plain');
      return { ...init, headers };
    };
    await expectCode('unsupported_media_type', chat(), { change: asText });
  });

  it('headers_too_large', async () => {
    await expectCode('headers_too_large', chat(), { options: { defaultHeaders: { 'x-large': 'x'.repeat(20_000) } } });
  });

  it('not_found', async () => {
    await expectCode('not_found', (client) => client.get('/nothing/here'));
  });

  it('method_not_allowed', async () => {
    const error = await expectCode('method_not_allowed', (client) => client.get('/chat/completions'));
    expect(error.headers?.get('allow')).toBe('POST');
  });

  it('model_not_found', async () => {
    const error = await expectCode('model_not_found', (client) =>
      client.chat.completions.create({ ...saying('Hello'), model: 'gpt-99' }),
    );
    expect(error.param).toBe('model');
  });

  it('idempotency_mismatch', async () => {
    const headers = { 'Idempotency-Key': 'catalogue' };
    await openai(service.baseUrl, key).chat.completions.create(saying('One'), { headers });
    await expectCode('idempotency_mismatch', (client) => client.chat.completions.create(saying('Two'), { headers }));
  });

  it('idempotency_in_flight', async () => {
    const { id, key: own } = await developer.issueKey();
    const options = { headers: { 'Idempotency-Key': 'running' } };
    const body = saying('Wait [[sim latency_ms=1900]]');
    const first = openai(service.baseUrl, own).chat.completions.create(body, options);
    await callRuns(id);
    const error = await expectCode('idempotency_in_flight', (client) => client.chat.completions.create(body, options), {
      apiKey: own,
    });
    expect(error.headers?.get('retry-after')).toBe('1');
    await first;
  });
});

describe('the official client meets, for what is wrong with its key,', () => {
  it('missing_api_key', async () => {
    await expectCode('missing_api_key', chat(), { options: { defaultHeaders: { Authorization: null } } });
  });

  it('invalid_api_key', async () => {
    await expectCode('invalid_api_key', chat(), { apiKey: `${key.slice(0, -1)}_` });
  });

  it('key_disabled, until the key is enabled again', async () => {
    const { id, key: disabled } = await developer.issueKey();
    await developer.call('POST', `/keys/keys/${id}/disable`, {});
    await expectCode('key_disabled', chat(), { apiKey: disabled });
    await developer.call('POST', `/keys/keys/${id}/enable`, {});
    await expect(chat()(openai(service.baseUrl, disabled))).resolves.toMatchObject({ object: 'chat.completion' });
  });

  it('key_expired', async () => {
    const soon = new Date(Date.now() + 1_500).toISOString();
    const { key: expiring } = await developer.issueKey({ expires_at: soon });
    await vi.waitFor(
      () => expect(chat()(openai(service.baseUrl, expiring))).rejects.toMatchObject({ code: 'key_expired' }),
      { timeout: 5_000, interval: 200 },
    );
    await expectCode('key_expired', chat(), { apiKey: expiring });
  });

  it('invalid_api_key once the key is revoked, within a second', async () => {
    const { id, key: revoked } = await developer.issueKey();
    await chat()(openai(service.baseUrl, revoked));
    await developer.call('DELETE', `/keys/keys/${id}`);
    await vi.waitFor(
      () => expect(chat()(openai(service.baseUrl, revoked))).rejects.toMatchObject({ code: 'invalid_api_key' }),
      { timeout: 1_000, interval: 20 },
    );
  });

  it('model_not_allowed', async () => {
    const { key: restricted } = await developer.issueKey({ models: ['gpt-4o'] });
    const error = await expectCode('model_not_allowed', chat(), { apiKey: restricted });
    expect(error.param).toBe('model');
  });
});

describe('the official client meets, for what its account may use,', () => {
  it('rate_limit_exceeded, with the time to wait', async () => {
    const { key: limited } = await developer.issueKey({ limits: { requests_per_minute: 1 } });
    const { response } = await chat()(openai(service.baseUrl, limited)).withResponse();
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('1');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    expect(response.headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+(\.\d+)?s$/);
    const error = await expectCode('rate_limit_exceeded', chat(), { apiKey: limited, retries: 0 });
    const waitMs = Number(error.headers?.get('retry-after-ms'));
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(60_000);
    expect(Number(error.headers?.get('retry-after'))).toBe(Math.ceil(waitMs / 1_000));
  });

  it('concurrency_exceeded, and the slot is free again after the call that took it', async () => {
    const { id, key: single } = await developer.issueKey({ limits: { concurrency: 1 } });
    const first = chat('[[sim latency_ms=1900]]')(openai(service.baseUrl, single));
    await callRuns(id);
    const error = await expectCode('concurrency_exceeded', chat(), { apiKey: single });
    expect(error.error).toMatchObject({ limit: 1 });
    await first;
    await expect(chat()(openai(service.baseUrl, single))).resolves.toMatchObject({ object: 'chat.completion' });
  });

  it('insufficient_quota in tokens, with the figures', async () => {
    const { key: poor } = await developer.issueKey({ limits: { tokens_per_month: 10 } });
    const error = await expectCode('insufficient_quota', chat(), { apiKey: poor });
    expect(error.error).toMatchObject({ limit_source: 'key', meter: 'tokens', limit: '10', used: '0', held: '0' });
  });

  it('insufficient_quota in money, with the figures', async () => {
    const { key: poor } = await developer.issueKey({ limits: { spend_per_month: { USD: '0.000001' } } });
    const error = await expectCode('insufficient_quota', chat(), { apiKey: poor });
    expect(error.error).toMatchObject({ limit_source: 'key', meter: 'USD', limit: '0.000001', used: '0', held: '0' });
  });
});

describe('the official client meets, for what is wrong upstream,', () => {
  it('no_channel', async () => {
    const { key: live } = await developer.issueKey({ mode: 'live' });
    const error = await expectCode(
      'no_channel',
      (client) => client.chat.completions.create({ ...saying('Hello'), model: 'gpt-4o' }),
      { apiKey: live, retries: 0 },
    );
    expect(error.headers?.get('retry-after')).toBe('5');
  });

  it('upstream_invalid_request, with the provider’s sentence', async () => {
    const error = await expectCode('upstream_invalid_request', chat('[[sim status=400]]'));
    expect(error.message).not.toBe('400 status code (no body)');
  });

  it('upstream_rate_limited, with the time to wait', async () => {
    const error = await expectCode('upstream_rate_limited', chat('[[sim status=429 retry_after=1]]'));
    expect(error.headers?.get('retry-after')).toBe('1');
    expect(error.headers?.get('retry-after-ms')).toBe('1000');
  });

  it('bad_gateway', async () => {
    await expectCode('bad_gateway', chat('[[sim status=500]]'));
  });

  it('service_unavailable', async () => {
    await expectCode('service_unavailable', chat('[[sim status=503]]'));
  });

  it('gateway_timeout', async () => {
    await expectCode('gateway_timeout', chat('[[sim status=504]]'));
  });
});

describe('a client of the management API meets', () => {
  it('invalid_token', async () => {
    await expectCode('invalid_token', (client) => client.get('/keys/quota'), { ...asUser(), apiKey: 'eyJ.no.token' });
  });

  it('invalid_credentials', async () => {
    const body = { email: developer.email, password: 'not the password at all' };
    await expectCode('invalid_credentials', (client) => client.post('/auth/login', { body }), asUser());
  });

  it('email_taken', async () => {
    const body = { email: developer.email, password: 'a password of my own' };
    await expectCode('email_taken', (client) => client.post('/auth/register', { body }), asUser());
  });

  it('key_state', async () => {
    const { id } = await developer.issueKey();
    await developer.call('DELETE', `/keys/keys/${id}`);
    await expectCode('key_state', (client) => client.post(`/keys/keys/${id}/rotate`, { body: {} }), asUser());
  });

  it('max_keys_reached, with the maximum', async () => {
    const collector = await Developer.register(service.baseUrl);
    for (let count = 0; count < 12; count += 1) await collector.issueKey();
    const body = { name: 'One too many', mode: 'test' };
    const error = await expectCode('max_keys_reached', (client) => client.post('/keys/keys', { body }), {
      ...asUser(),
      apiKey: collector.token,
    });
    expect(error.error).toMatchObject({ details: { max_api_keys: 12 } });
  });

  it('the same codes in AI Hub’s envelope', async () => {
    const refused = await hub(service.baseUrl, 'POST', '/auth/login', { body: { email: 'nobody' } });
    expect(refused.status).toBe(400);
    expect(refused.body).toEqual({
      success: false,
      error: {
        type: 'invalid_request_error',
        code: 'invalid_request',
        message: expect.any(String) as unknown,
        details: {
          hint: 'Check the form of the request.',
          request_id: expect.any(String) as unknown,
          param: 'email',
        },
      },
    });
  });
});

/** Who meets the other codes. */
const ELSEWHERE = {
  internal_error: 'nobody: a fault of ours',
  request_timeout: 'a client that is too slow to be the SDK',
  content_filter: 'a provider that refuses content, which the simulated one never does',
  admin_required: 'a signed-in user of the Ollama service',
  origin_not_allowed: 'a page that opens a realtime session',
};

describe('the catalogue', () => {
  it('has no code that the SDK cannot meet here, but for those that need somebody else', () => {
    const reachable = Object.keys(ERRORS).filter((code) => !(code in ELSEWHERE));
    expect([...met].sort()).toEqual(reachable.sort());
  });

  it('has led to no internal error: the log is empty and the service well', async () => {
    expect(service.output()).not.toMatch(/"level":(50|60)/);
    await expectWell(service);
  });
});

/** Waits until one call of the key, its first, is on record and not settled. */
async function callRuns(keyId: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await service.pool.query('SELECT status FROM requests.log WHERE key_id = $1', [keyId]);
      expect(rows).toEqual([{ status: 'accepted' }]);
    },
    { timeout: 5_000, interval: 20 },
  );
}
