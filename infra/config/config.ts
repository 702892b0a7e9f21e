import { z } from 'zod';
import { isZone } from '../../services/billing/period.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const milliseconds = (fallback: number) => z.coerce.number().int().min(1).max(86_400_000).default(fallback);
const bytes = (fallback: number) => z.coerce.number().int().min(1_024).max(4_294_967_296).default(fallback);

/**
 * Everything that can be configured, each with unit and default. Relations between fields are checked below.
 * The README's table is compared with this schema by a test.
 */
export const configSchema = z.object({
  PORT: port.default(8787).describe('TCP port; 0 takes a free one'),
  HOST: z.string().min(1).default('127.0.0.1').describe('address to listen on'),
  DATA_DIR: z.string().min(1).default('.tallystick').describe('embedded database, secrets, journal'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//)
    .optional()
    .describe('a PostgreSQL server (13 or newer) instead of the embedded one'),
  KURRENTDB_URL: z
    .string()
    .regex(/^(kurrentdb|esdb)(\+discover)?:\/\//)
    .optional()
    .describe('a KurrentDB or EventStoreDB as event store instead of PostgreSQL'),
  KAFKA_BROKERS: z
    .string()
    .regex(/^[^\s,:]+:\d{1,5}(,[^\s,:]+:\d{1,5})*$/, 'must be host:port, several separated by commas')
    .optional()
    .describe('Kafka brokers through which events go to the projections; default: they read the event store'),
  KAFKA_TOPIC: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/)
    .default('tallystick.events')
    .describe('topic of the events, made when missing'),
  KAFKA_PARTITIONS: z.coerce.number().int().min(1).max(1_000).default(12).describe('its partitions, fixed once made'),
  KAFKA_REPLICATION: z.coerce
    .number()
    .int()
    .min(1)
    .max(9)
    .default(1)
    .describe('its copies; 3 where there are 3 brokers'),
  KAFKA_TLS: z.enum(['on', 'off']).default('off').describe('whether brokers are spoken to over TLS'),
  KAFKA_USERNAME: z.string().min(1).optional().describe('SASL user (SCRAM-SHA-512)'),
  KAFKA_PASSWORD: z.string().min(1).optional().describe('password of KAFKA_USERNAME'),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//)
    .optional()
    .describe(
      'a Redis for rate limits, jobs and news of keys, shared by all processes; default: memory and PostgreSQL',
    ),
  CHANNELS_FILE: z.string().optional().describe('YAML or JSON file of upstream channels for live keys'),
  PRICE_FILE: z.string().optional().describe('price book to publish on first start; default: the built-in one'),
  MASTER_KEY: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional()
    .describe('32 bytes as hex that wrap personal-data keys; default: made once in DATA_DIR/secrets.json'),
  JWT_SECRET: z
    .string()
    .min(32)
    .optional()
    .describe('signs access tokens; default: made once in DATA_DIR/secrets.json'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info').describe('pino level'),
  REALTIME_ORIGINS: z
    .string()
    .regex(/^(\*|https?:\/\/[^\s,/]+(,https?:\/\/[^\s,/]+)*)$/, 'must be origins separated by commas, or *')
    .optional()
    .describe('origins whose pages may open realtime sessions, separated by commas; * for any; default: no page may'),
  STORE_RESPONSES: z
    .enum(['on', 'off'])
    .default('off')
    .describe(
      'whether answers of /v1/responses are kept, sealed, for 30 days, so that clients may go on with them; an account keeps its newest 2,000, up to 256 MiB',
    ),
  OBJECT_STORE_URL: z
    .string()
    .regex(/^s3\+https?:\/\//)
    .optional()
    .describe(
      'an S3-compatible bucket for files: s3+https://key:secret@host/bucket?region=…; default: DATA_DIR/objects',
    ),
  PUBLIC_URL: z
    .string()
    .regex(/^https?:\/\/[^\s?#]+$/)
    .optional()
    .describe('where agent platforms reach this relay to fetch uploaded files; default: http://HOST:PORT'),
  MAX_FILE_BYTES: bytes(33_554_432).describe('largest uploaded file'),
  MAX_ACCOUNT_FILE_BYTES: bytes(1_073_741_824).describe('all files of an account together'),
  BATCH_MAX_LINES: z.coerce.number().int().min(1).max(50_000).default(10_000).describe('calls in one batch'),
  BATCH_LINES_AT_ONCE: z.coerce.number().int().min(1).max(100).default(4).describe('calls of a batch that run at once'),
  MAX_BODY_BYTES: bytes(10_485_760).describe(
    'largest JSON body of a relay route, and line of a batch; audio forms take 26 MiB, image edits 64 MiB, uploads MAX_FILE_BYTES',
  ),
  MAX_BODY_DEPTH: z.coerce.number().int().min(8).max(1_000).default(64).describe('deepest nesting of a JSON body'),
  MAX_STREAM_BUFFER_BYTES: bytes(262_144).describe('bytes a client may leave unread before its call is ended'),
  MAX_IN_FLIGHT: z.coerce.number().int().min(1).max(100_000).default(9_000).describe('calls in flight in this process'),
  CLIENT_STALL_MS: milliseconds(3_000).describe(
    'a client that reads nothing for this long, while more than MAX_STREAM_BUFFER_BYTES wait for it, counts as gone',
  ),
  SHUTDOWN_GRACE_MS: milliseconds(30_000).describe('how long running calls may go on after SIGTERM'),
  CALL_TOTAL_MS: milliseconds(900_000).describe('longest call; holds expire 60 s later'),
  OWNER_LEASE_MS: z.coerce
    .number()
    .int()
    .min(3_000, 'must be at least 3000, for heartbeats come every second')
    .max(86_400_000)
    .default(30_000)
    .describe('silence after which the holds of a process are settled by others'),
  REAPER_INTERVAL_MS: milliseconds(5_000).describe('how often overdue holds are looked for'),
  HOLD_TIMEOUT_MS: milliseconds(1_000).describe('longest wait for a hold before 503'),
  STORE_TIMEOUT_MS: milliseconds(5_000).describe('longest wait for an append before the journal takes it'),
  JOURNAL_MAX_BYTES: bytes(67_108_864).describe('size of the settlement journal; admission stops at 80 %'),
  DEFAULT_TOKENS_PER_MONTH: z.coerce.number().int().min(0).default(1_000_000).describe('token quota of a new account'),
  DEFAULT_REQUESTS_PER_MINUTE: z.coerce
    .number()
    .int()
    .min(1)
    .default(600)
    .describe('calls per minute of each key of a new account'),
  DEFAULT_CONCURRENCY: z.coerce.number().int().min(1).max(100_000).default(10).describe('calls in flight per key'),
  DEFAULT_MAX_KEYS: z.coerce.number().int().min(1).max(10_000).default(10).describe('API keys per account'),
  BILLING_ZONE: z
    .string()
    .refine(isZone, 'must be an IANA time zone')
    .default('UTC')
    .describe('IANA time zone of new accounts’ billing months'),
  SIMULATED_LATENCY_MS: z.coerce
    .number()
    .int()
    .min(0)
    .max(60_000)
    .default(0)
    .describe('latency of the simulated upstream'),
});

export type Config = z.infer<typeof configSchema>;

/** What a process does: everything, or one part of it beside other processes. */
export const ROLES = ['all', 'relay', 'projector', 'publisher', 'worker'] as const;
export type Role = (typeof ROLES)[number];

/** What processes that share their work must be told, because none of them may make it up for itself. */
const NEEDS: Readonly<Record<Role, readonly (keyof Config)[]>> = {
  all: [],
  relay: ['DATABASE_URL', 'MASTER_KEY', 'JWT_SECRET'],
  projector: ['DATABASE_URL'],
  publisher: ['DATABASE_URL', 'KAFKA_BROKERS'],
  worker: ['DATABASE_URL'],
};

/** All problems of a configuration at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Parses an environment for a role. An empty variable counts as absent. Throws ConfigError with every problem found, one for each variable. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>, role: Role = 'all'): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const fields = Object.entries(configSchema.shape).map(
    ([name, field]) => [name, field.safeParse(given[name])] as const,
  );
  const problems = fields.flatMap(([name, { error }]) => (error ? [`${name}: ${error.issues[0]?.message ?? ''}`] : []));
  const valid = Object.fromEntries(fields.map(([name, { data }]) => [name, data])) as Partial<Config>;
  problems.push(...relations(valid));
  for (const name of NEEDS[role]) {
    if (given[name] === undefined) problems.push(`${name}: is needed by a ${role} process`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return configSchema.parse(given);
}

/** Between fields that are valid by themselves. */
function relations(config: Partial<Config>): string[] {
  const { HOLD_TIMEOUT_MS: hold, CALL_TOTAL_MS: call, KAFKA_USERNAME: user, KAFKA_PASSWORD: password } = config;
  const problems: string[] = [];
  if (hold !== undefined && call !== undefined && hold >= call) {
    problems.push('HOLD_TIMEOUT_MS: must be below CALL_TOTAL_MS');
  }
  if ((user === undefined) !== (password === undefined)) {
    problems.push('KAFKA_USERNAME, KAFKA_PASSWORD: stand together or not at all');
  }
  return problems;
}
