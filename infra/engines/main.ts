import path from 'node:path';
import type { Engine } from './engine.ts';
import { EngineMissing, type EngineName } from './engineMissing.ts';
import { isRunning, stop } from './engineProcess.ts';
import { describes, startKafka } from './kafka.ts';
import { startPostgres, versionOf } from './postgres.ts';
import { mayInstall } from './programs.ts';
import { answers, startRedis } from './redis.ts';
import { engineFiles, readState, removeState, writeState, type EngineState, type RunningEngine } from './state.ts';

/**
 * `npm run engines up|status|down`: real engines on free loopback ports, which run until they are taken down. With
 * `-- --install`, and always in CI, what is missing is installed as a Debian package first, which takes root.
 */
const dataDir = process.env['DATA_DIR'] ?? '.tallystick';

interface Kind {
  readonly name: EngineName;
  start(directory: string): Promise<Engine & { readonly address: string }>;
  healthy(engine: RunningEngine): Promise<boolean>;
  readonly stopSignal: NodeJS.Signals;
}

const ALL = { install: mayInstall() || process.argv.includes('--install'), outlivesUs: true };
const KINDS: readonly Kind[] = [
  {
    name: 'postgres',
    start: async (directory) => addressed(await startPostgres({ directory, outlivesUs: true }), 'url'),
    healthy: async ({ address }) => (await versionOf(address)) !== null,
    stopSignal: 'SIGINT',
  },
  {
    name: 'redis',
    start: async (directory) => addressed(await startRedis({ directory, ...ALL }), 'url'),
    healthy: ({ address }) => answers(address),
    stopSignal: 'SIGTERM',
  },
  {
    name: 'kafka',
    start: async (directory) => addressed(await startKafka({ directory, ...ALL }), 'brokers'),
    healthy: ({ address }) => describes(address),
    stopSignal: 'SIGTERM',
  },
];

function addressed<Field extends string, E extends Engine & Readonly<Record<Field, string>>>(engine: E, field: Field) {
  return Object.assign(engine, { address: engine[field] });
}

/** Starts what does not run yet. What one engine lacks does not keep the others from running. */
async function up(): Promise<number> {
  const engines: EngineState = await readState(dataDir);
  let missing = 0;
  for (const kind of KINDS) {
    const noted = engines[kind.name];
    if (noted && (await isRunning(noted))) {
      say(kind.name, noted, 'runs already');
      continue;
    }
    const since = performance.now();
    try {
      const { address, version, pid, startTime } = await kind.start(path.join(engineFiles(dataDir).root, kind.name));
      const started = { address, version, pid, startTime };
      engines[kind.name] = started;
      await writeState(dataDir, engines);
      say(kind.name, started, `started in ${String(Math.round(performance.now() - since))} ms`);
    } catch (error) {
      if (!(error instanceof EngineMissing)) throw error;
      process.stderr.write(`${error.message}\n`);
      missing += 1;
    }
  }
  return missing === 0 ? 0 : 1;
}

/** Asks each engine; 0 when all answer. */
async function status(): Promise<number> {
  const engines = await readState(dataDir);
  let failing = 0;
  for (const kind of KINDS) {
    const noted = engines[kind.name];
    const runs = noted !== undefined && (await isRunning(noted));
    const well = runs && (await kind.healthy(noted));
    if (!well) failing += 1;
    if (noted) say(kind.name, noted, well ? 'answers' : runs ? 'runs, but does not answer' : 'has ended');
    else process.stdout.write(`${kind.name.padEnd(9)} is not up\n`);
  }
  return failing === 0 ? 0 : 1;
}

/** Stops what `up` started, and nothing else, and removes what it stored. */
async function down(): Promise<number> {
  const engines = await readState(dataDir);
  await Promise.all(
    KINDS.map(async ({ name, stopSignal }) => {
      const noted = engines[name];
      if (noted) await stop(noted, stopSignal);
    }),
  );
  await removeState(dataDir);
  process.stdout.write('the engines are down\n');
  return 0;
}

function say(name: EngineName, { address, version }: RunningEngine, what: string): void {
  process.stdout.write(`${name.padEnd(9)} ${version.padEnd(8)} ${address}  ${what}\n`);
}

const commands: Readonly<Record<string, () => Promise<number>>> = { up, status, down };
const command = commands[process.argv[2] ?? ''];
if (!command) process.stderr.write('usage: npm run engines up|status|down\n');
process.exitCode = command ? await command() : 2;
