import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { currency, mode } from '../../events/envelope.ts';
import { METERS } from '../../events/meters.ts';
import type { RoutedChannel } from '../../services/relay/routing/router.ts';
import { PROTOCOLS, type Protocol } from '../../services/relay/ports.ts';
import { AUTH_STYLES, type AuthStyle } from '../upstreams/requestHeaders.ts';
import { Secret } from '../upstreams/secret.ts';
import { ConfigError } from './config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const milliseconds = (fallback: number) => z.int().min(1).max(86_400_000).default(fallback);

/** From the order to connect to the connection; waiting for a free connection counts too. */
const timeouts = z.strictObject({
  connectMs: milliseconds(10_000),
  /** From the sent request to the first byte of the body; reasoning models may need minutes. */
  firstByteMs: milliseconds(60_000),
  /** Between two pieces of the body, while we are ready to read. */
  idleMs: milliseconds(60_000),
  /** One attempt; CALL_TOTAL_MS bounds all attempts of a call together, so more than that changes nothing. */
  totalMs: milliseconds(900_000),
});

const quirks = z.strictObject({
  supportsStreamOptions: z.boolean().default(true),
  maxTokensField: z.enum(['max_tokens', 'max_completion_tokens']).default('max_tokens'),
  supportsDeveloperRole: z.boolean().default(true),
  supportsParallelTools: z.boolean().default(true),
  reasoningField: z.string().min(1).max(64).default('reasoning_content'),
  /** Dotted path to the usage object of an answer or chunk; a number selects an element of a list. */
  usagePath: z
    .string()
    .regex(/^\w{1,64}(\.\w{1,64}){0,4}$/, 'must be a dotted path')
    .default('usage'),
  usageExcludesReasoning: z.boolean().default(false),
  stripsParams: z.array(z.string().min(1).max(64)).max(64).default([]),
});

const modelName = z.string().min(1).max(200);
const models = z.union(
  [z.literal('*'), z.array(modelName).min(1).max(1_000), z.record(modelName, modelName)],
  'must be a list of models, a map from our model name to the upstream’s, or "*"',
);

const channel = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, 'must be lower-case letters, digits, "-", "_" or "."'),
  /** What the upstream speaks. */
  protocol: z.enum(PROTOCOLS).default('openai'),
  /** Where the paths of the protocol are appended: `/chat/completions`, `/messages`, `/models/…`, `/api/chat`. */
  baseUrl: z.string().refine(isBaseUrl, 'must be an http or https URL without credentials, query or fragment'),
  /** Name of the environment variable that holds the key; absent for an upstream that wants none. */
  apiKeyEnv: z
    .string()
    .regex(/^[A-Za-z_]\w{0,127}$/, 'must be the name of an environment variable')
    .optional(),
  /** How the key is sent; by default as the protocol's own vendor wants it. */
  auth: z.enum(AUTH_STYLES).optional(),
  /** Added to the query of every call: `{ api-version: 2025-01-01 }` for Azure. */
  query: z.record(z.string().regex(/^[\w.-]{1,64}$/), z.string().min(1).max(200)).default({}),
  mode: mode.default('live'),
  models,
  /** Lower is tried first. */
  priority: z.int().min(0).max(1_000).default(0),
  /** Share of the calls among channels of the same priority. */
  weight: z.int().min(1).max(1_000).default(1),
  coolsOff: z.boolean().default(true),
  timeouts: timeouts.default(timeouts.parse({})),
  clientGone: z.enum(['cancel', 'drain']).default('cancel'),
  drainMaxMs: milliseconds(30_000),
  quirks: quirks.default(quirks.parse({})),
  maxConnections: z.int().min(1).max(10_000).default(512),
  maxQueued: z.int().min(0).max(100_000).default(256),
  /** What the operator pays, in whole micro-units of the currency per million tokens of a meter. */
  cost: z
    .strictObject({ currency, perMillionTokensMicroUnits: z.partialRecord(z.enum(METERS), z.int().min(0).max(1e12)) })
    .optional(),
});
type ChannelEntry = z.infer<typeof channel>;

const file = z.strictObject({ channels: z.array(z.unknown()).min(1, 'must name at least one channel').max(1_000) });

/** A channel as routing and the upstream adapter use it. */
export interface ChannelSettings extends RoutedChannel {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly apiKey: Secret | null;
  readonly auth: AuthStyle;
  readonly query: string;
  readonly timeouts: z.infer<typeof timeouts>;
  readonly maxConnections: number;
  readonly maxQueued: number;
}

/** Reads and checks a channels file (YAML or JSON). Throws ConfigError with every problem found. */
export function loadChannels(path: string, environment: Environment): readonly ChannelSettings[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError([
      `CHANNELS_FILE: ${path} cannot be read (${error instanceof Error ? error.message : String(error)})`,
    ]);
  }
  return parseChannels(text, environment);
}

/** Checks the text of a channels file. Throws ConfigError with every problem found, each with its path in the file. */
export function parseChannels(text: string, environment: Environment): readonly ChannelSettings[] {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true });
  if (document.errors.length > 0) throw new ConfigError(document.errors.map((error) => error.message.trim()));
  const outer = file.safeParse(document.toJS({ maxAliasCount: 100 }));
  if (!outer.success) throw new ConfigError(problemsOf(outer.error, []));
  const problems: string[] = [];
  const entries: { readonly entry: ChannelEntry; readonly path: string }[] = [];
  for (const [index, raw] of outer.data.channels.entries()) {
    const parsed = channel.safeParse(raw);
    if (parsed.success) entries.push({ entry: parsed.data, path: `channels.${String(index)}` });
    else problems.push(...problemsOf(parsed.error, ['channels', index]));
  }
  for (const { entry, path } of entries)
    problems.push(...relations(entry, environment).map((text) => `${path}.${text}`));
  problems.push(...duplicates(entries));
  if (problems.length > 0) throw new ConfigError(problems);
  return entries.map(({ entry }) => settingsOf(entry, environment));
}

/**
 * Settings of a channel that the program itself adds, such as the simulated upstream: the same defaults and checks as
 * in a file. Throws ConfigError.
 */
export function channelSettings(entry: z.input<typeof channel>, environment: Environment = {}): ChannelSettings {
  const [settings] = parseChannels(JSON.stringify({ channels: [entry] }), environment);
  if (!settings) throw new ConfigError(['channels: none']);
  return settings;
}

function relations(entry: ChannelEntry, environment: Environment): string[] {
  const { connectMs, firstByteMs, idleMs, totalMs } = entry.timeouts;
  const problems: string[] = [];
  if (connectMs > totalMs) problems.push('timeouts.connectMs: must not exceed totalMs');
  if (firstByteMs > totalMs) problems.push('timeouts.firstByteMs: must not exceed totalMs');
  if (idleMs > totalMs) problems.push('timeouts.idleMs: must not exceed totalMs');
  if (entry.drainMaxMs > totalMs) problems.push('drainMaxMs: must not exceed timeouts.totalMs');
  const name = entry.apiKeyEnv;
  if (name !== undefined && keyOf(environment[name]) === null) {
    problems.push(`apiKeyEnv: the environment variable ${name} is not set or holds no usable key`);
  }
  return problems;
}

/** A key is sent in a header, so it must be printable ASCII without spaces. */
function keyOf(value: string | undefined): string | null {
  const key = value?.trim() ?? '';
  return /^[\x21-\x7e]+$/.test(key) ? key : null;
}

function duplicates(entries: readonly { readonly entry: ChannelEntry; readonly path: string }[]): string[] {
  const seen = new Map<string, string>();
  return entries.flatMap(({ entry: { name }, path }) => {
    const first = seen.get(name);
    if (first === undefined) seen.set(name, path);
    return first === undefined ? [] : [`${path}.name: "${name}" is already the name of ${first}`];
  });
}

function settingsOf(entry: ChannelEntry, environment: Environment): ChannelSettings {
  const { apiKeyEnv, ...rest } = entry;
  const key = apiKeyEnv === undefined ? null : keyOf(environment[apiKeyEnv]);
  return {
    ...rest,
    baseUrl: entry.baseUrl.replace(/\/+$/, ''),
    apiKey: key === null ? null : new Secret(key),
    auth: entry.auth ?? USUAL_AUTH[entry.protocol] ?? 'bearer',
    query: new URLSearchParams(entry.query).toString(),
    models: modelMap(entry.models),
    cost: entry.cost ?? null,
  };
}

const USUAL_AUTH: Readonly<Partial<Record<Protocol, AuthStyle>>> = { claude: 'x-api-key', gemini: 'x-goog-api-key' };

function modelMap(given: z.infer<typeof models>): ReadonlyMap<string, string> | null {
  if (given === '*') return null;
  return new Map(Array.isArray(given) ? given.map((model) => [model, model]) : Object.entries(given));
}

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const isHttp = url.protocol === 'http:' || url.protocol === 'https:';
  return isHttp && url.username === '' && url.password === '' && !/[?#\s]/.test(text);
}

function problemsOf(error: z.ZodError, prefix: readonly (string | number)[]): string[] {
  return error.issues.map((issue) => `${[...prefix, ...issue.path].map(String).join('.') || 'file'}: ${issue.message}`);
}
