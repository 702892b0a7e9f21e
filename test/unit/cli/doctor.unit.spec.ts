import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import type { DatabaseFacts, Probes } from '../../../services/cli/doctor/probes.ts';
import {
  ofDataDirectory,
  ofJournal,
  ofMigrations,
  ofNode,
  ofOpenFiles,
  ofReadModels,
  ofService,
  ofSimulatedCall,
  type LogHead,
} from '../../../services/cli/doctor/verdicts.ts';
import { CommandFailed } from '../../../services/cli/failure.ts';
import { tryOut } from './tryout.ts';

const DATABASE: DatabaseFacts = {
  isEmbedded: true,
  version: 'PostgreSQL 18.4',
  migrations: { known: ['0001_a', '0002_b'], applied: ['0001_a', '0002_b'] },
  head: 10n,
  projections: [{ name: 'keys', stored: { position: 10n, version: 2 }, codeVersion: 2 }],
  parked: [],
};

const WELL: Probes = {
  node: () => '24.21.0',
  configuration: () => ({ set: ['PORT'], maxInFlight: 100 }),
  channels: () => ({ file: 'channels.yaml', channels: ['one', 'two'] }),
  priceFile: () => Promise.resolve(null),
  dataDirectory: () => Promise.resolve({ path: '/data', self: null, secrets: [], isWritable: false }),
  openFiles: () => 20_000,
  service: () => Promise.resolve({ pid: 7, baseUrl: 'http://127.0.0.1:8787', problems: [] }),
  database: () => Promise.resolve(DATABASE),
  kurrentdb: () => Promise.resolve(null),
  kafka: () => Promise.resolve(null),
  redis: () => Promise.resolve(null),
  journal: () => Promise.resolve({ pending: 0, damaged: 0, quarantined: 0 }),
  simulatedCall: () => Promise.resolve({ through: 'service', status: 200, requestId: 'r-1' }),
};

interface Report {
  readonly ok: boolean;
  readonly checks: readonly { name: string; status: string; detail: string; problems: readonly string[] }[];
}

async function examined(probes: Partial<Probes> = {}, ...flags: readonly string[]) {
  const { code, out } = await tryOut(['doctor', '--json', ...flags], { probes: { ...WELL, ...probes } });
  const report = JSON.parse(out) as Report;
  const statuses = Object.fromEntries(report.checks.map(({ name, status }) => [name, status]));
  return { code, report, statuses };
}

describe('the doctor', () => {
  it('finds nothing where all is well', async () => {
    const { code, report, statuses } = await examined();
    expect({ code, ok: report.ok }).toEqual({ code: 0, ok: true });
    expect(statuses).toEqual({
      node: 'ok',
      configuration: 'ok',
      'channels file': 'ok',
      'price file': 'ok',
      'data directory': 'ok',
      'open files': 'ok',
      service: 'ok',
      postgres: 'ok',
      kurrentdb: 'ok',
      migrations: 'ok',
      'read models': 'ok',
      kafka: 'ok',
      redis: 'ok',
      journal: 'ok',
      'simulated path': 'ok',
    });
    expect((await tryOut(['doctor'], { probes: WELL })).out).toContain('All is well.');
  });

  it('tells every problem of the configuration and stops there, with exit 2', async () => {
    const problems = ['PORT: Too big', 'HOST: Too small'];
    const configuration = () => {
      throw new CommandFailed('usage', 'The configuration is not valid.', { problems });
    };
    const { code, report, statuses } = await examined({ configuration });
    expect(code).toBe(2);
    expect(statuses).toEqual({ node: 'ok', configuration: 'failed', 'everything else': 'skipped' });
    expect(report.checks[1]?.problems).toEqual(problems);
    const text = await tryOut(['doctor'], { probes: { ...WELL, configuration } });
    expect(text.out).toContain('configuration:\n  - PORT: Too big\n  - HOST: Too small\nSomething must be mended.');
  });

  it('goes on when Postgres is away, and exits with 69', async () => {
    const { code, statuses } = await examined({ database: () => Promise.reject(new StoreUnavailable('away')) });
    expect(code).toBe(69);
    expect(statuses).toMatchObject({
      postgres: 'failed',
      migrations: 'skipped',
      'read models': 'skipped',
      'simulated path': 'ok',
    });
  });

  it('tells of every engine that is away, and exits with 69', async () => {
    const away = (name: string) => () => Promise.reject(new CommandFailed('unavailable', `${name} is away`));
    const configuration = () => ({ set: ['KURRENTDB_URL', 'KAFKA_BROKERS', 'REDIS_URL'], maxInFlight: 100 });
    const { code, report } = await examined({
      configuration,
      kurrentdb: away('KurrentDB'),
      kafka: away('Kafka'),
      redis: away('Redis'),
    });
    expect(code).toBe(69);
    expect(report.checks.filter(({ status }) => status !== 'ok')).toEqual([
      { name: 'kurrentdb', status: 'failed', detail: 'KurrentDB is away', problems: [] },
      {
        name: 'read models',
        status: 'skipped',
        detail: 'the event store does not tell how far its log is',
        problems: [],
      },
      { name: 'kafka', status: 'failed', detail: 'Kafka is away', problems: [] },
      { name: 'redis', status: 'failed', detail: 'Redis is away', problems: [] },
    ]);
  });

  it('compares read models with the event store that is configured', async () => {
    const configuration = () => ({ set: ['KURRENTDB_URL'], maxInFlight: 100 });
    const { report } = await examined({ configuration, kurrentdb: () => Promise.resolve({ head: 1_610n }) });
    const [found] = report.checks.filter(({ name }) => name === 'read models');
    expect(found?.detail).toBe('keys is 1600 bytes behind position 1610');
  });

  it('exits with 1 on any other failed check, and with 0 on a warning', async () => {
    const journal = (facts: object) => ({
      journal: () => Promise.resolve({ pending: 0, damaged: 0, quarantined: 0, ...facts }),
    });
    expect((await examined(journal({ quarantined: 1 }))).code).toBe(1);
    expect((await examined(journal({ pending: 1 }))).code).toBe(0);
    expect((await examined({ node: () => '20.1.0' })).code).toBe(1);
  });

  it('makes no call when none is wanted', async () => {
    const simulatedCall = () => Promise.reject(new Error('called'));
    expect((await examined({ simulatedCall }, '--no-call')).statuses['simulated path']).toBe('skipped');
    expect((await examined({ simulatedCall })).statuses['simulated path']).toBe('failed');
  });
});

describe('what the doctor thinks', () => {
  it('of Node', () => {
    expect(ofNode('24.0.0').status).toBe('ok');
    expect(ofNode('22.9.0').status).toBe('failed');
  });

  it.each([
    [0o711, 0o600, 'ok'],
    [0o700, 0o600, 'ok'],
    [0o755, 0o600, 'failed'],
    [0o700, 0o640, 'failed'],
    [0o700, 0o601, 'failed'],
  ])('of a data directory with mode %o and secrets with mode %o: %s', (directory, secret, status) => {
    const facts = {
      path: '/data',
      self: { name: 'data', mode: directory },
      secrets: [{ name: 'secrets.json', mode: secret }],
      isWritable: true,
    };
    expect(ofDataDirectory(facts).status).toBe(status);
    expect(ofDataDirectory({ ...facts, isWritable: false }).status).toBe('failed');
  });

  it('of the number of open files: two per call, and a thousand', () => {
    expect(ofOpenFiles(21_000, 10_000).status).toBe('ok');
    expect(ofOpenFiles(20_999, 10_000)).toMatchObject({ status: 'warning' });
    expect(ofOpenFiles(null, 10_000).status).toBe('skipped');
  });

  it('of the service', () => {
    expect(ofService(null).status).toBe('ok');
    expect(ofService({ pid: 1, baseUrl: null, problems: [] }).status).toBe('ok');
    expect(ofService({ pid: 1, baseUrl: 'http://x', problems: ['shutting down'] })).toEqual({
      status: 'failed',
      detail: 'http://x is not ready: shutting down.',
    });
  });

  it('of migrations that are pending, or of a newer program', () => {
    const with_ = (applied: string[]) => ofMigrations({ ...DATABASE, migrations: { known: ['0001_a'], applied } });
    expect(with_(['0001_a']).status).toBe('ok');
    expect(with_([])).toEqual({ status: 'warning', detail: 'The next start applies 0001_a.' });
    expect(with_(['0001_a', '0009_z'])).toEqual({ status: 'failed', detail: 'A newer program was here: 0009_z.' });
  });

  it('of read models that lag, are outdated, newer or parked', () => {
    const log = (position: bigint, unit: LogHead['unit'] = 'events') => ({ position, unit });
    const at = (position: bigint, version = 2, head: LogHead | null = log(200_000n)) =>
      ofReadModels(
        { ...DATABASE, projections: [{ name: 'keys', stored: { position, version }, codeVersion: 2 }] },
        head,
      );
    expect(at(200_000n)).toEqual({ status: 'ok', detail: 'all at log position 200000' });
    expect(at(199_990n)).toEqual({ status: 'ok', detail: 'keys is 10 events behind position 200000' });
    expect(at(100_000n).status).toBe('ok');
    expect(at(99_999n).status).toBe('warning');
    expect(at(0n, 2, log(60_000_000n, 'bytes')).status).toBe('ok');
    expect(at(0n, 2, log(60_000_001n, 'bytes'))).toEqual({
      status: 'warning',
      detail: 'keys is 60000001 bytes behind position 60000001',
    });
    expect(at(0n, 2, null).status).toBe('skipped');
    expect(at(0n, 3, null).status).toBe('failed');
    expect(at(0n, 1)).toEqual({ status: 'warning', detail: 'The next start makes keys anew.' });
    expect(at(0n, 3).status).toBe('failed');
    const parked = [{ projection: 'usage', accountId: 'acct_a', error: 'no such key' }];
    expect(ofReadModels({ ...DATABASE, parked }, null)).toEqual({
      status: 'failed',
      detail: 'usage passes over acct_a (no such key). After a fix: rebuild --swap --force.',
    });
  });

  it('of a journal', () => {
    expect(ofJournal({ pending: 0, damaged: 0, quarantined: 0 }).status).toBe('ok');
    expect(ofJournal({ pending: 5, damaged: 0, quarantined: 0 }).status).toBe('warning');
    expect(ofJournal({ pending: 0, damaged: 1, quarantined: 0 }).status).toBe('failed');
  });

  it('of the simulated path', () => {
    expect(ofSimulatedCall({ through: 'service', status: 429, requestId: 'r' }).status).toBe('failed');
    expect(ofSimulatedCall({ through: 'upstream', status: 200, requestId: null }).status).toBe('ok');
  });
});
