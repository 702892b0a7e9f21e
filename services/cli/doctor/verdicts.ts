import type {
  ChannelFacts,
  ConfigurationFacts,
  DatabaseFacts,
  DataDirectoryFacts,
  EntryFacts,
  JournalFacts,
  ServiceFacts,
  SimulatedCallFacts,
} from './probes.ts';
import { failed, ok, skipped, warning, type Verdict } from './verdict.ts';

/** How far the log reaches that the read models follow; null when it cannot be asked. */
export interface LogHead {
  readonly position: bigint;
  /** What positions count. */
  readonly unit: 'events' | 'bytes';
}

const OLDEST_NODE = 24;
/** Each call has a socket to the client and one upstream; the rest is for the database, files and keep-alive. */
const FILES_PER_CALL = 2;
const SPARE_FILES = 1_000;
/** An event takes some 600 bytes of a log that counts bytes. */
const MAX_LAG = { events: 100_000n, bytes: 60_000_000n } as const;
/** The owner of the embedded Postgres may need to pass through, so `x` is allowed. */
const READ_OR_WRITE_BY_OTHERS = 0o066;
const ANYTHING_BY_OTHERS = 0o077;

export function ofNode(version: string): Verdict {
  return Number.parseInt(version, 10) >= OLDEST_NODE
    ? ok(version)
    : failed(`${version} is too old: Node ${String(OLDEST_NODE)} or newer runs TypeScript files as they are.`);
}

export function ofConfiguration({ set }: ConfigurationFacts): Verdict {
  return ok(set.length === 0 ? 'valid: all defaults' : `valid; set: ${set.join(', ')}`);
}

export function ofChannels({ file, channels }: ChannelFacts): Verdict {
  if (file === null) return ok('no CHANNELS_FILE: test keys work, live keys have nobody to call');
  return ok(`${file} is valid: ${channels.join(', ')}`);
}

export function ofPriceFile(found: { readonly file: string; readonly models: number } | null): Verdict {
  return ok(found === null ? 'the built-in price book' : `${found.file} is valid: ${String(found.models)} models`);
}

export function ofDataDirectory({ path, self, secrets, isWritable }: DataDirectoryFacts): Verdict {
  if (self === null) return ok(`${path} does not exist yet; the first start makes it`);
  if (!isWritable) return failed(`${path} cannot be written.`);
  const open = [
    ...(self.mode & READ_OR_WRITE_BY_OTHERS ? [self] : []),
    ...secrets.filter(({ mode }) => mode & ANYTHING_BY_OTHERS),
  ];
  if (open.length === 0) return ok(path);
  return failed(`Others may read or write what holds secrets: ${open.map(modeText).join(', ')}.`);
}

function modeText({ name, mode }: EntryFacts): string {
  return `${name} has mode ${mode.toString(8).padStart(4, '0')}`;
}

export function ofOpenFiles(limit: number | null, maxInFlight: number): Verdict {
  const needed = maxInFlight * FILES_PER_CALL + SPARE_FILES;
  if (limit === null) return skipped('this system does not tell');
  if (limit >= needed) return ok(String(limit));
  return warning(
    `${String(limit)} files may be open; MAX_IN_FLIGHT ${String(maxInFlight)} may need ${String(needed)}: raise ulimit -n.`,
  );
}

export function ofService(service: ServiceFacts | null): Verdict {
  if (service === null) return ok('none runs on this data directory');
  const { pid, baseUrl, problems } = service;
  if (baseUrl === null) return ok(`process ${String(pid)} uses this data directory and does not listen`);
  if (problems.length > 0) return failed(`${baseUrl} is not ready: ${problems.join('; ')}.`);
  return ok(`process ${String(pid)} is ready at ${baseUrl}`);
}

export function ofPostgres(database: DatabaseFacts | null): Verdict {
  if (database === null) return ok('no database yet; the first start makes it');
  return ok(`${database.version}, ${database.isEmbedded ? 'embedded' : 'DATABASE_URL'}`);
}

export function ofMigrations({ migrations: { known, applied } }: DatabaseFacts): Verdict {
  const pending = known.filter((name) => !applied.includes(name));
  const foreign = applied.filter((name) => !known.includes(name));
  if (foreign.length > 0) return failed(`A newer program was here: ${foreign.join(', ')}.`);
  if (pending.length > 0) return warning(`The next start applies ${pending.join(', ')}.`);
  return ok(`${String(applied.length)} applied, none pending`);
}

export function ofReadModels({ projections, parked }: DatabaseFacts, log: LogHead | null): Verdict {
  const newer = projections.filter(({ stored, codeVersion }) => stored !== null && stored.version > codeVersion);
  if (newer.length > 0)
    return failed(`A newer program made the tables of ${newer.map(({ name }) => name).join(', ')}.`);
  if (parked.length > 0) {
    const texts = parked.map(({ projection, accountId, error }) => `${projection} passes over ${accountId} (${error})`);
    return failed(`${texts.join('; ')}. After a fix: rebuild --swap --force.`);
  }
  const outdated = projections.filter(({ stored, codeVersion }) => stored === null || stored.version < codeVersion);
  if (outdated.length > 0) return warning(`The next start makes ${outdated.map(({ name }) => name).join(', ')} anew.`);
  return log === null ? skipped('the event store does not tell how far its log is') : ofLag(projections, log);
}

function ofLag(projections: DatabaseFacts['projections'], { position: head, unit }: LogHead): Verdict {
  const lags = projections.map(({ name, stored }) => ({ name, lag: head - (stored?.position ?? 0n) }));
  const worst = lags.reduce((most, each) => (each.lag > most.lag ? each : most), { name: '', lag: 0n });
  if (worst.lag <= 0n) return ok(`all at log position ${head.toString()}`);
  const detail = `${worst.name} is ${worst.lag.toString()} ${unit} behind position ${head.toString()}`;
  return worst.lag > MAX_LAG[unit] ? warning(detail) : ok(detail);
}

export function ofJournal({ pending, damaged, quarantined }: JournalFacts): Verdict {
  const counts = `${String(pending)} settlements wait, ${String(quarantined)} in quarantine`;
  if (quarantined > 0 || damaged > 0) return failed(`${counts}, ${String(damaged)} damaged lines: somebody must look.`);
  return pending > 0 ? warning(`${counts}; a running service brings them to the store.`) : ok(counts);
}

export function ofSimulatedCall({ through, status, requestId }: SimulatedCallFacts): Verdict {
  const way = through === 'service' ? 'a call with the first test key' : 'a call to the upstream itself';
  if (status !== 200) return failed(`${way} was answered with ${String(status)}.`);
  return ok(requestId === null ? `${way} was answered` : `${way} was answered: request ${requestId}`);
}
