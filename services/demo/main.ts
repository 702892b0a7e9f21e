import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { configSchema, parseConfig } from '../../infra/config/config.ts';
import { createLogger } from '../../infra/telemetry/log.ts';
import { AuditQueries } from '../../projections/audit/audit.queries.ts';
import { verifyAudit } from '../../projections/audit/verify.ts';
import { answersOf } from '../wiring/cli.ts';
import { startService, type Service } from '../wiring/service.ts';
import { Unmet } from './expectation.ts';
import { tellStory } from './story.ts';
import type { World } from './world.ts';

/**
 * `npm run demo`: the story on a service of its own, which leaves nothing behind. Beside its own PostgreSQL it uses the engines that the environment
 * names, and there it leaves its records. Exit codes: 0 as promised, 1 not.
 */
const dataDirectory = await mkdtemp(path.join(tmpdir(), 'tallystick-demo-'));
const warnings: string[] = [];
const log = createLogger('warn', { write: (line) => warnings.push(line) });
const started = performance.now();
let service: Service | null = null;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    leave().then(
      () => process.exit(130),
      () => process.exit(130),
    );
  });
}

try {
  const config = parseConfig({ ...enginesIn(process.env), DATA_DIR: dataDirectory, PORT: '0' });
  service = await startService(config, log, {});
  await tellStory(worldOf(service));
  await leave();
  say(`\nDone in ${((performance.now() - started) / 1_000).toFixed(1)} s; ${dataDirectory} is removed again.`);
} catch (error) {
  process.exitCode = 1;
  say(error instanceof Unmet ? `\nNOT AS PROMISED: ${error.message}` : '\nThe demonstration failed:');
  if (!(error instanceof Unmet))
    process.stderr.write(`${error instanceof Error ? String(error.stack) : String(error)}\n`);
  process.stderr.write(warnings.join(''));
  await leave();
}

/** Nothing else of the environment may change the story. */
function enginesIn(environment: NodeJS.ProcessEnv): Record<string, string | undefined> {
  const names = Object.keys(configSchema.shape).filter((name) => /^(KURRENTDB|KAFKA|REDIS)_/.test(name));
  return Object.fromEntries(names.map((name) => [name, environment[name]]));
}

function worldOf({ baseUrl, core, readModels, invoicing }: Service): World {
  return {
    baseUrl,
    dataDirectory,
    store: core.store,
    runtime: core.runtime,
    fetch,
    answers: answersOf(readModels),
    requestClose: (accountId, period) => invoicing.queue.requestClose(accountId, period, true),
    verifyAudit: () => verifyAudit(core.store, new AuditQueries(readModels.sql)),
    caughtUp: async () => readModels.caughtUp(await core.store.head()),
    print: say,
  };
}

async function leave(): Promise<void> {
  const running = service;
  service = null;
  await running?.stop();
  await rm(dataDirectory, { recursive: true, force: true });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
