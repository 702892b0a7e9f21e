import type { Exit } from '../exits.ts';
import { failureOf } from '../failure.ts';
import { ofKafka, ofKurrentdb, ofRedis } from './engineVerdicts.ts';
import type { DatabaseFacts, Probes } from './probes.ts';
import type { Verdict } from './verdict.ts';
import {
  ofChannels,
  ofConfiguration,
  ofDataDirectory,
  ofJournal,
  ofMigrations,
  ofNode,
  ofOpenFiles,
  ofPostgres,
  ofPriceFile,
  ofReadModels,
  ofService,
  ofSimulatedCall,
  type LogHead,
} from './verdicts.ts';

export interface Check extends Verdict {
  readonly name: string;
  /** What is wrong, one by one. */
  readonly problems: readonly string[];
  readonly exit: Exit;
}

/** Makes every check, also after one that failed; what cannot be looked at then is skipped. */
export async function examine(probes: Probes, options: { readonly call: boolean }): Promise<readonly Check[]> {
  const checks = new Checks();
  await checks.make('node', () => probes.node(), ofNode);
  const configuration = await checks.make('configuration', () => probes.configuration(), ofConfiguration);
  if (configuration === null) {
    checks.skip('everything else', 'the configuration is not valid');
    return checks.made;
  }
  await checks.make('channels file', () => probes.channels(), ofChannels);
  await checks.make('price file', () => probes.priceFile(), ofPriceFile);
  await checks.make('data directory', () => probes.dataDirectory(), ofDataDirectory);
  await checks.make(
    'open files',
    () => probes.openFiles(),
    (limit) => ofOpenFiles(limit, configuration.maxInFlight),
  );
  await checks.make('service', () => probes.service(), ofService);
  const database = await checks.make('postgres', () => probes.database(), ofPostgres);
  const kurrentdb = await checks.make(
    'kurrentdb',
    () => probes.kurrentdb(),
    (facts) => ofKurrentdb(facts, database),
  );
  if (database === null) {
    checks.skip('migrations', 'there is no database to look at');
    checks.skip('read models', 'there is no database to look at');
  } else {
    await checks.make('migrations', () => database, ofMigrations);
    const log = configuration.set.includes('KURRENTDB_URL') ? headOf(kurrentdb, 'bytes') : headOf(database, 'events');
    await checks.make(
      'read models',
      () => database,
      (facts) => ofReadModels(facts, log),
    );
  }
  await checks.make('kafka', () => probes.kafka(), ofKafka);
  await checks.make('redis', () => probes.redis(), ofRedis);
  await checks.make('journal', () => probes.journal(), ofJournal);
  if (options.call) await checks.make('simulated path', () => probes.simulatedCall(), ofSimulatedCall);
  else checks.skip('simulated path', 'no call was wanted');
  return checks.made;
}

function headOf(store: Pick<DatabaseFacts, 'head'> | null, unit: LogHead['unit']): LogHead | null {
  return store && { position: store.head, unit };
}

class Checks {
  readonly made: Check[] = [];

  /** What the probe saw; null when it failed. */
  async make<T>(name: string, probe: () => T | Promise<T>, judge: (facts: T) => Verdict): Promise<T | null> {
    try {
      const facts = await probe();
      const verdict = judge(facts);
      this.made.push({ name, ...verdict, problems: [], exit: verdict.status === 'failed' ? 'failed' : 'ok' });
      return facts;
    } catch (error) {
      const { message: detail, problems, exit } = failureOf(error);
      this.made.push({ name, status: 'failed', detail, problems, exit });
      return null;
    }
  }

  skip(name: string, detail: string): void {
    this.made.push({ name, status: 'skipped', detail, problems: [], exit: 'ok' });
  }
}

/** The exit of a whole examination: what the operator must mend first. */
export function exitOf(checks: readonly Check[]): Exit {
  const exits = new Set(checks.map(({ exit }) => exit));
  if (exits.has('usage')) return 'usage';
  if (exits.has('unavailable')) return 'unavailable';
  return checks.some(({ status }) => status === 'failed') ? 'failed' : 'ok';
}
