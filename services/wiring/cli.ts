import { existsSync } from 'node:fs';
import { ConfigError, configSchema, parseConfig, type Config } from '../../infra/config/config.ts';
import { loadSecrets } from '../../infra/config/secrets.ts';
import { createEmailIndex } from '../../infra/crypto/emailIndex.ts';
import { deriveKeys } from '../../infra/crypto/masterKey.ts';
import { partitionOfKey } from '../../infra/kafka/partitionOfKey.ts';
import { asStoreError, closePool, openPool } from '../../infra/postgres/database.ts';
import { embeddedFiles } from '../../infra/postgres/embedded/files.ts';
import { InstanceRunning } from '../../infra/postgres/embedded/instanceLock.ts';
import { PostgresTransactions } from '../../infra/postgres/transactions.ts';
import { loadPriceBookFile } from '../../infra/pricebook/loadPriceBookFile.ts';
import { redact } from '../../infra/telemetry/log.ts';
import { StoreUnavailable } from '../../events/eventStore.ts';
import { AuditQueries } from '../../projections/audit/audit.queries.ts';
import { verifyAudit } from '../../projections/audit/verify.ts';
import { PROJECTIONS } from '../../projections/catalogue.ts';
import { InvoiceQueries } from '../../projections/invoices/invoices.queries.ts';
import { KeyQueries } from '../../projections/keys/keys.queries.ts';
import { rebuild } from '../../projections/rebuild.ts';
import { InvoiceFacts } from '../../projections/requests/invoiceFacts.ts';
import { RequestQueries } from '../../projections/requests/requests.queries.ts';
import { ProjectionLagging } from '../../projections/runner.ts';
import { UsageQueries } from '../../projections/usage/usage.queries.ts';
import { CommandFailed } from '../cli/failure.ts';
import type { Answers, CliPorts, Installation, Setting } from '../cli/ports.ts';
import { KeyService } from '../keys/keyService.ts';
import type { Log } from '../runtime.ts';
import { closingPorts } from './closing.ts';
import { attachCore, Closing, type Core } from './core.ts';
import { doctorProbes } from './doctor.ts';
import { readFirstRun } from './firstRun.ts';
import { openReadModels, watchReadModels, type ReadModels } from './readModels.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** After a crash the read models of a lonely command have to come up first. */
const CAUGHT_UP_MS = 60_000;
/** Comparing a table takes about a second per million rows, in one statement. */
const REBUILD_STATEMENT_MS = 3_600_000;

/** What the command line works with; `close` ends what an interrupted command left open. */
export function cliPorts(environment: Environment, log: Log): CliPorts & { close(): Promise<void> } {
  const opened = new Closing();
  return {
    async open() {
      const installation = await openInstallation(configOf(environment), log);
      opened.add(() => installation.close());
      return installation;
    },
    settings: () => settingsOf(configOf(environment), environment),
    readPriceBook: (path) =>
      loadPriceBookFile(path).catch((cause: unknown) => {
        throw new CommandFailed('usage', 'The price book cannot be read', { cause });
      }),
    projections: PROJECTIONS.map(({ name }) => name),
    probes: doctorProbes(environment, log, () => configOf(environment)),
    close: () => opened.run(),
  };
}

/** Throws CommandFailed `usage` with every problem. */
function configOf(environment: Environment): Config {
  try {
    return parseConfig(environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CommandFailed('usage', 'The configuration is not valid.', { problems: error.problems });
  }
}

async function openInstallation(config: Config, log: Log): Promise<Installation> {
  if (config.DATABASE_URL === undefined && !existsSync(embeddedFiles(config.DATA_DIR).cluster)) {
    const where = embeddedFiles(config.DATA_DIR).root;
    throw new CommandFailed('not_found', `There is no data in ${where}. Run npm start once, or name another DATA_DIR.`);
  }
  loadSecrets(config);
  const closing = new Closing();
  try {
    const core = await attached(config, log);
    closing.add(() => core.close());
    const readModels = await readModelsOf(core, closing);
    return installationOf(core, readModels, () => closing.run());
  } catch (error) {
    await closing.run();
    throw error;
  }
}

/** A lonely command keeps the read models up itself; where Kafka feeds them, that is left to the projectors. */
async function readModelsOf(core: Core, closing: Closing): Promise<ReadModels> {
  if (core.config.KAFKA_BROKERS !== undefined) return watchReadModels(core);
  const readModels = await openReadModels(core, null);
  closing.add(() => readModels.close());
  return readModels;
}

async function attached(config: Config, log: Log): Promise<Core> {
  try {
    return await attachCore(config, log);
  } catch (error) {
    if (error instanceof InstanceRunning) throw new StoreUnavailable(error.message, { cause: error.cause });
    throw asStoreError(error, 'opening the store');
  }
}

function installationOf(core: Core, readModels: ReadModels, close: () => Promise<void>): Installation {
  const { config, runtime, store } = core;
  const { sql } = readModels;
  const derived = deriveKeys(Buffer.from(loadSecrets(config).masterKey, 'hex'));
  const caughtUp = (position: bigint) => inTime(() => readModels.caughtUp(position, undefined, CAUGHT_UP_MS));
  const closing = closingPorts(core, readModels);
  return {
    store,
    runtime,
    keys: new KeyService({ store, keys: new KeyQueries(sql), caughtUp, runtime }),
    closing: {
      ...closing,
      readModels: {
        ...closing.readModels,
        caughtUp: (position) => inTime(() => closing.readModels.caughtUp(position)),
      },
    },
    emailIndex: createEmailIndex(derived.emailIndex),
    firstRunEmail: readFirstRun(config.DATA_DIR)?.email ?? null,
    answers: answersOf(readModels),
    caughtUp: async () => caughtUp(await store.head()),
    audit: (options) => verifyAudit(store, new AuditQueries(sql), options),
    rebuild: (name, swap) => rebuildOne(core, name, swap),
    close,
  };
}

async function inTime<T>(wait: () => Promise<T>): Promise<T> {
  try {
    return await wait();
  } catch (error) {
    if (!(error instanceof ProjectionLagging)) throw error;
    throw new StoreUnavailable('the read models do not keep up with the log', { cause: error });
  }
}

/** The read models as the commands ask them. */
export function answersOf({ sql }: Pick<ReadModels, 'sql'>): Answers {
  const keys = new KeyQueries(sql);
  const usage = new UsageQueries(sql);
  const requests = new RequestQueries(sql);
  const invoices = new InvoiceQueries(sql);
  return {
    accounts: (userId) => keys.accounts(userId),
    usageByKeyAndModel: (accountIds, from, before) => usage.usageByKeyAndModel(accountIds, from, before),
    calls: (accountId, before, limit) => requests.listRequests(accountId, before, limit),
    invoices: (accountId) => invoices.listInvoices(accountId),
    invoiceOfNumber: (number) => invoices.idOfNumber(number),
    lineRequests: new InvoiceFacts(sql),
  };
}

async function rebuildOne(core: Core, name: string, swap: 'never' | 'whenEqual' | 'always') {
  const projection = PROJECTIONS.find((candidate) => candidate.name === name);
  if (!projection) throw new Error(`there is no projection ${name}`);
  const { databaseUrl, runtime, store } = core;
  const pool = openPool({
    connectionString: databaseUrl,
    applicationName: 'tallystick rebuild',
    maxConnections: 1,
    timeoutMs: REBUILD_STATEMENT_MS,
    log: runtime.log,
  });
  try {
    const transactions = new PostgresTransactions(pool);
    const parts = { store, transactions, log: runtime.log, partitionOf: partitionOfKey };
    return await rebuild(parts, projection, { swap });
  } finally {
    await closePool(pool);
  }
}

const MASKED = '[masked]';
/** Made on first use and kept in the data directory when the environment does not name them. */
const KEPT_SECRETS: ReadonlySet<string> = new Set(['MASTER_KEY', 'JWT_SECRET']);
const SECRETS: ReadonlySet<string> = new Set([...KEPT_SECRETS, 'KAFKA_PASSWORD', 'OBJECT_STORE_URL']);

function settingsOf(config: Config, environment: Environment): readonly Setting[] {
  return Object.entries(configSchema.shape).map(([name, schema]) => {
    const value = config[name as keyof Config];
    const isKept = KEPT_SECRETS.has(name);
    const isSecret = isKept || (SECRETS.has(name) && value !== undefined);
    const fromEnvironment = environment[name] !== undefined && environment[name] !== '';
    return {
      name,
      value: isSecret ? MASKED : typeof value === 'string' ? redact(value) : (value ?? null),
      source: fromEnvironment ? 'environment' : isKept ? 'data directory' : 'default',
      description: schema.description ?? '',
    };
  });
}
