import { describe, expect, it } from 'vitest';
import { ConfigError, configSchema, parseConfig, ROLES, type Role } from '../../../infra/config/config.ts';
import { monthBounds } from '../../../services/billing/period.ts';

/** The problems of an environment, none when it is fine. */
function problems(environment: Readonly<Record<string, string>>, role?: Role): readonly string[] {
  try {
    parseConfig(environment, role);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('The configuration', () => {
  it('needs nothing: an empty environment is what `npm start` has', () => {
    expect(parseConfig({})).toEqual({
      PORT: 8787,
      HOST: '127.0.0.1',
      DATA_DIR: '.tallystick',
      KAFKA_TOPIC: 'tallystick.events',
      KAFKA_PARTITIONS: 12,
      KAFKA_REPLICATION: 1,
      KAFKA_TLS: 'off',
      LOG_LEVEL: 'info',
      STORE_RESPONSES: 'off',
      MAX_FILE_BYTES: 33_554_432,
      MAX_ACCOUNT_FILE_BYTES: 1_073_741_824,
      BATCH_MAX_LINES: 10_000,
      BATCH_LINES_AT_ONCE: 4,
      MAX_BODY_BYTES: 10_485_760,
      MAX_BODY_DEPTH: 64,
      MAX_STREAM_BUFFER_BYTES: 262_144,
      MAX_IN_FLIGHT: 9_000,
      CLIENT_STALL_MS: 3_000,
      SHUTDOWN_GRACE_MS: 30_000,
      CALL_TOTAL_MS: 900_000,
      OWNER_LEASE_MS: 30_000,
      REAPER_INTERVAL_MS: 5_000,
      HOLD_TIMEOUT_MS: 1_000,
      STORE_TIMEOUT_MS: 5_000,
      JOURNAL_MAX_BYTES: 67_108_864,
      DEFAULT_TOKENS_PER_MONTH: 1_000_000,
      DEFAULT_REQUESTS_PER_MINUTE: 600,
      DEFAULT_CONCURRENCY: 10,
      DEFAULT_MAX_KEYS: 10,
      BILLING_ZONE: 'UTC',
      SIMULATED_LATENCY_MS: 0,
    });
  });

  it('takes an empty variable for one that is not set', () => {
    expect(parseConfig({ PORT: '', MASTER_KEY: '', DATABASE_URL: '' })).toEqual(parseConfig({}));
  });

  it('is not confused by what else the environment holds', () => {
    expect(parseConfig({ PATH: '/bin', HOME: '/root', port: '1', TALLYSTICK_PORT: '2' })).toEqual(parseConfig({}));
  });

  it('reads every variable that it names', () => {
    const environment = {
      PORT: '0',
      HOST: '::1',
      DATA_DIR: '/var/lib/tallystick',
      DATABASE_URL: 'postgresql://user:pass@db/x',
      KURRENTDB_URL: 'esdb+discover://kurrent:2113?tls=false',
      KAFKA_BROKERS: 'one:9092,two:9092',
      KAFKA_TOPIC: 'events',
      KAFKA_PARTITIONS: '3',
      KAFKA_REPLICATION: '3',
      KAFKA_TLS: 'on',
      KAFKA_USERNAME: 'user',
      KAFKA_PASSWORD: 'password',
      REDIS_URL: 'rediss://redis:6379/1',
      CHANNELS_FILE: 'channels.yaml',
      PRICE_FILE: 'prices.yaml',
      MASTER_KEY: 'ab'.repeat(32),
      JWT_SECRET: 'x'.repeat(32),
      LOG_LEVEL: 'debug',
      REALTIME_ORIGINS: 'https://a.example,http://b.example:8080',
      STORE_RESPONSES: 'on',
      OBJECT_STORE_URL: 's3+https://key:secret@s3.example/bucket?region=eu-1',
      PUBLIC_URL: 'https://relay.example/base',
      MAX_FILE_BYTES: '1024',
      MAX_ACCOUNT_FILE_BYTES: '2048',
      BATCH_MAX_LINES: '1',
      BATCH_LINES_AT_ONCE: '100',
      MAX_BODY_BYTES: '1024',
      MAX_BODY_DEPTH: '8',
      MAX_STREAM_BUFFER_BYTES: '2048',
      MAX_IN_FLIGHT: '1',
      CLIENT_STALL_MS: '1',
      SHUTDOWN_GRACE_MS: '2',
      CALL_TOTAL_MS: '3000',
      OWNER_LEASE_MS: '3000',
      REAPER_INTERVAL_MS: '4',
      HOLD_TIMEOUT_MS: '5',
      STORE_TIMEOUT_MS: '6',
      JOURNAL_MAX_BYTES: '4294967296',
      DEFAULT_TOKENS_PER_MONTH: '0',
      DEFAULT_REQUESTS_PER_MINUTE: '1',
      DEFAULT_CONCURRENCY: '100000',
      DEFAULT_MAX_KEYS: '10000',
      BILLING_ZONE: 'Asia/Shanghai',
      SIMULATED_LATENCY_MS: '60000',
    };
    expect(Object.keys(environment)).toEqual(Object.keys(configSchema.shape));
    const config: Readonly<Record<string, unknown>> = parseConfig(environment);
    for (const [name, text] of Object.entries(environment)) expect(String(config[name]), name).toBe(text);
  });

  it.each([
    ['REALTIME_ORIGINS', ['a.example', 'https://a.example/', 'https://a.example, https://b.example', '**']],
    ['STORE_RESPONSES', ['true', 'yes']],
    ['OBJECT_STORE_URL', ['s3://bucket', 'https://s3.example/bucket']],
    ['PUBLIC_URL', ['relay.example', 'ftp://relay.example', 'https://relay.example?x']],
    ['BATCH_LINES_AT_ONCE', ['0', '101']],
    ['PORT', ['-1', '65536', '1.5', 'http', '8787 ; rm']],
    ['LOG_LEVEL', ['loud', 'INFO', 'trace']],
    ['DATABASE_URL', ['mysql://x', 'db:5432', 'file:///etc/passwd']],
    ['KURRENTDB_URL', ['http://kurrent:2113', 'kurrentdb:2113', 'kurrentdbs://x']],
    ['KAFKA_BROKERS', ['kafka', 'kafka:port', 'one:9092, two:9092', ':9092', 'one:9092,']],
    ['KAFKA_TOPIC', ['two words', 'a/b', 'x'.repeat(201)]],
    ['KAFKA_PARTITIONS', ['0', '1001', 'many']],
    ['KAFKA_TLS', ['yes', 'true']],
    ['REDIS_URL', ['localhost:6379', 'http://redis']],
    ['MASTER_KEY', ['ab', 'AB'.repeat(32), 'zz'.repeat(32), 'ab'.repeat(33)]],
    ['JWT_SECRET', ['short', 'x'.repeat(31)]],
    ['MAX_BODY_BYTES', ['0', '-1', '1e99', 'Infinity', 'NaN', '10MB']],
    ['MAX_BODY_DEPTH', ['7', '1001']],
    ['OWNER_LEASE_MS', ['0', '2999', '86400001']],
    ['CALL_TOTAL_MS', ['0', '86400001']],
    ['DEFAULT_MAX_KEYS', ['0', '10001']],
    ['DEFAULT_TOKENS_PER_MONTH', ['-1', '9007199254740993', '1e309']],
    ['BILLING_ZONE', ['Mars/Olympus', 'CEST', '+02:00', '-0500', '../etc', 'local']],
  ])('refuses %s as any of %j, with one line', (name, values) => {
    for (const value of values) {
      expect(problems({ [name]: value }), value).toEqual([expect.stringMatching(new RegExp(`^${name}: .{8,}`))]);
    }
  });

  it.each(['Asia/Kolkata', 'Europe/Kyiv', 'Etc/UTC', 'GMT', 'US/Pacific', 'Europe/Berlin'])(
    'takes %s for a billing zone, for months can be billed there',
    (zone) => {
      expect(parseConfig({ BILLING_ZONE: zone }).BILLING_ZONE).toBe(zone);
      expect(() => monthBounds('2026-11', zone)).not.toThrow();
    },
  );

  it('reports the problems of all variables at once, in their order', () => {
    const found = problems({ BILLING_ZONE: 'x', PORT: 'x', JWT_SECRET: 'x', HOLD_TIMEOUT_MS: 'x', LOG_LEVEL: 'x' });
    expect(found.map((problem) => problem.split(':')[0])).toEqual([
      'PORT',
      'JWT_SECRET',
      'LOG_LEVEL',
      'HOLD_TIMEOUT_MS',
      'BILLING_ZONE',
    ]);
  });

  it('reports how variables do not fit together, beside what is wrong with others', () => {
    expect(problems({ HOLD_TIMEOUT_MS: '5000', CALL_TOTAL_MS: '5000' })).toEqual([
      'HOLD_TIMEOUT_MS: must be below CALL_TOTAL_MS',
    ]);
    expect(problems({ HOLD_TIMEOUT_MS: '5000', CALL_TOTAL_MS: '4000', PORT: 'x' })).toHaveLength(2);
    expect(problems({ HOLD_TIMEOUT_MS: '5000', CALL_TOTAL_MS: 'x' })).toHaveLength(1);
  });

  it('asks the processes of an installation for what they must share', () => {
    const needed = (role: Role, environment: Readonly<Record<string, string>> = {}) => problems(environment, role);
    expect(needed('relay')).toEqual([
      'DATABASE_URL: is needed by a relay process',
      'MASTER_KEY: is needed by a relay process',
      'JWT_SECRET: is needed by a relay process',
    ]);
    expect(needed('projector')).toEqual(['DATABASE_URL: is needed by a projector process']);
    expect(needed('worker')).toEqual(['DATABASE_URL: is needed by a worker process']);
    expect(needed('publisher', { DATABASE_URL: 'postgres://db/x' })).toEqual([
      'KAFKA_BROKERS: is needed by a publisher process',
    ]);
    const whole = { DATABASE_URL: 'postgres://db/x', MASTER_KEY: 'ab'.repeat(32), JWT_SECRET: 'x'.repeat(32) };
    for (const role of ROLES) expect(needed(role, { ...whole, KAFKA_BROKERS: 'kafka:9092' })).toEqual([]);
  });

  it('takes user and password of Kafka together only', () => {
    const half = ['KAFKA_USERNAME, KAFKA_PASSWORD: stand together or not at all'];
    expect(problems({ KAFKA_USERNAME: 'user' })).toEqual(half);
    expect(problems({ KAFKA_PASSWORD: 'password' })).toEqual(half);
    expect(problems({ KAFKA_USERNAME: 'user', KAFKA_PASSWORD: 'password' })).toEqual([]);
  });

  it('never repeats a value, which may be a secret in the wrong place', () => {
    const secret = 'hunter2-hunter2';
    const everything = Object.fromEntries(Object.keys(configSchema.shape).map((name) => [name, secret]));
    const found = problems(everything);
    expect(found.length).toBeGreaterThan(15);
    expect(found.join('\n')).not.toContain(secret);
  });

  it('says in its message all that its problems say', () => {
    const error = new ConfigError(['PORT: one', 'HOST: two']);
    expect(error.message).toBe('The configuration is not valid:\n  - PORT: one\n  - HOST: two');
  });
});
