import { constants } from 'node:fs';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { loadChannels } from '../../infra/config/channels.ts';
import { ConfigError, configSchema, type Config } from '../../infra/config/config.ts';
import { readPieces } from '../../infra/journal/journalLine.ts';
import { isMissing } from '../../infra/postgres/embedded/files.ts';
import { InstanceRunning, readInstance } from '../../infra/postgres/embedded/instanceLock.ts';
import { loadPriceBookFile } from '../../infra/pricebook/loadPriceBookFile.ts';
import { StoreUnavailable } from '../../events/eventStore.ts';
import { parsePriceBook } from '../billing/pricebook/priceBookFile.ts';
import type { EntryFacts, JournalFacts, Probes, ServiceFacts, SimulatedCallFacts } from '../cli/doctor/probes.ts';
import { CommandFailed } from '../cli/failure.ts';
import type { Log } from '../runtime.ts';
import { databaseFacts } from './doctorDatabase.ts';
import { kafkaFacts, kurrentdbFacts, redisFacts } from './doctorEngines.ts';
import { readFirstRun } from './firstRun.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const ANSWER_MS = 5_000;
const SECRET_FILES = ['secrets.json', 'first-run.json', 'postgres.password'];

/** Looks at the real world. `configured` throws CommandFailed when the configuration is not valid. */
export function doctorProbes(environment: Environment, log: Log, configured: () => Config): Probes {
  return {
    node: () => process.versions.node,
    configuration: () => ({
      maxInFlight: configured().MAX_IN_FLIGHT,
      set: Object.keys(configSchema.shape).filter((name) => (environment[name] ?? '') !== ''),
    }),
    channels: () => channelsOf(configured(), environment),
    priceFile: () => priceFileOf(configured()),
    dataDirectory: () => dataDirectoryOf(configured()),
    openFiles,
    service: () => serviceOf(configured()),
    database: () => databaseFacts(configured(), log),
    kurrentdb: () => kurrentdbFacts(configured()),
    kafka: () => kafkaFacts(configured()),
    redis: () => redisFacts(configured()),
    journal: () => journalOf(configured()),
    simulatedCall: () => simulatedCall(configured()),
  };
}

function channelsOf({ CHANNELS_FILE: file }: Config, environment: Environment) {
  if (file === undefined) return { file: null, channels: [] };
  try {
    return { file, channels: loadChannels(file, environment).map(({ name }) => name) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CommandFailed('usage', `${file} is not valid.`, { problems: error.problems });
  }
}

async function priceFileOf({ PRICE_FILE: file }: Config) {
  if (file === undefined) return null;
  const contents = await loadPriceBookFile(file).catch((cause: unknown) => {
    throw new CommandFailed('usage', 'PRICE_FILE cannot be read', { cause });
  });
  return { file, models: parsePriceBook(contents).models.length };
}

async function dataDirectoryOf({ DATA_DIR }: Config) {
  const self = await entryOf(path.dirname(path.resolve(DATA_DIR)), path.basename(path.resolve(DATA_DIR)));
  const found = await Promise.all(SECRET_FILES.map((name) => entryOf(DATA_DIR, name)));
  const isWritable = await access(DATA_DIR, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  return { path: path.resolve(DATA_DIR), self, secrets: found.filter((entry) => entry !== null), isWritable };
}

async function entryOf(directory: string, name: string): Promise<EntryFacts | null> {
  try {
    return { name, mode: (await stat(path.join(directory, name))).mode & 0o777 };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

const report = z.object({
  userLimits: z.object({ open_files: z.object({ soft: z.union([z.number(), z.literal('unlimited')]) }) }),
});

/** Node's own report has the limit on every Unix. Node raises the soft limit to the hard one when it starts. */
function openFiles(): number | null {
  const soft = report.safeParse(process.report.getReport()).data?.userLimits.open_files.soft ?? null;
  return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : soft;
}

async function serviceOf({ DATA_DIR }: Config): Promise<ServiceFacts | null> {
  const running = await runningOn(DATA_DIR);
  if (!running) return null;
  if (running.baseUrl === null) return { ...running, problems: [] };
  const ready = z.object({ problems: z.array(z.string()) });
  const response = await ask(`${running.baseUrl}/readyz`);
  return { ...running, problems: ready.parse(await response.json()).problems };
}

async function runningOn(dataDir: string) {
  try {
    return await readInstance(dataDir);
  } catch (error) {
    if (!(error instanceof InstanceRunning)) throw error;
    throw new StoreUnavailable(error.message, { cause: error.cause });
  }
}

function ask(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MS) });
}

/** A running service knows; otherwise its files tell, in which lines may stand that reached the store already. */
async function journalOf({ DATA_DIR }: Config): Promise<JournalFacts> {
  const directory = path.join(DATA_DIR, 'journal');
  const quarantined = (await namesIn(path.join(directory, 'quarantine'), '.json')).length;
  const service = await runningOn(DATA_DIR);
  if (service && service.baseUrl !== null) {
    const metrics = await (await ask(`${service.baseUrl}/metrics`)).text();
    return { pending: Number(/^journal_pending (\d+)$/m.exec(metrics)?.[1] ?? 0), damaged: 0, quarantined };
  }
  const files = await namesIn(directory, '.ndjson');
  const pieces = await Promise.all(files.map(async (name) => readPieces(await readFile(path.join(directory, name)))));
  const damaged = pieces.flat().filter(({ kind }) => kind === 'damaged').length;
  return { pending: pieces.flat().length - damaged, damaged, quarantined };
}

async function namesIn(directory: string, ending: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith(ending));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

const QUESTION = { model: 'tallystick-sim', messages: [{ role: 'user', content: 'Is all well?' }] };

async function simulatedCall({ DATA_DIR }: Config): Promise<SimulatedCallFacts> {
  const service = await runningOn(DATA_DIR);
  const key = readFirstRun(DATA_DIR)?.testKey;
  if (service && service.baseUrl !== null && key !== undefined) {
    const response = await complete(`${service.baseUrl}/v1`, { authorization: `Bearer ${key}` });
    return { through: 'service', status: response.status, requestId: response.headers.get('x-request-id') };
  }
  // Its tokenizer takes 0.2 s to load, which no other command should pay for.
  const { startSimulatedUpstream } = await import('../../infra/upstreams/simulated/simulatedUpstream.ts');
  const simulated = await startSimulatedUpstream({ latencyMs: 0 });
  try {
    return { through: 'upstream', status: (await complete(simulated.baseUrl, {})).status, requestId: null };
  } finally {
    await simulated.close();
  }
}

async function complete(baseUrl: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  const response = await ask(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(QUESTION),
  });
  await response.arrayBuffer();
  return response;
}
