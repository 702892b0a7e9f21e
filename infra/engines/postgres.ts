import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { postgresBinaries } from '../postgres/embedded/binaries.ts';
import { choosePort, ensureCluster, serverEnvironment } from '../postgres/embedded/cluster.ts';
import { connectionString, embeddedFiles } from '../postgres/embedded/files.ts';
import { serverUser } from '../postgres/embedded/serverUser.ts';
import { controlled, type Engine } from './engine.ts';
import { launch } from './engineProcess.ts';

export interface PostgresEngine extends Engine {
  readonly url: string;
}

/** A PostgreSQL from npm that goes on when we end, unlike the one that the service starts for itself. */
export async function startPostgres(options: {
  readonly directory: string;
  readonly outlivesUs?: boolean;
}): Promise<PostgresEngine> {
  await mkdir(options.directory, { recursive: true });
  const files = embeddedFiles(options.directory);
  const binaries = postgresBinaries();
  const user = await serverUser(files, binaries.postgres);
  const password = await ensureCluster(files, binaries, user);
  const port = await choosePort(files);
  const url = connectionString(password, port);
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  const launched = user.launch(binaries.postgres, [
    ...['-D', files.cluster, '-p', String(port)],
    ...settings.flatMap((setting) => ['-c', setting]),
  ]);
  const start = () =>
    launch(
      {
        ...launched,
        logFile: path.join(files.root, 'postgres.log'),
        cwd: files.cluster,
        env: serverEnvironment(),
        outlivesUs: options.outlivesUs ?? false,
      },
      async () => (await versionOf(url)) !== null,
    );
  // Fast shutdown: sessions are ended, not waited for.
  const engine = await controlled({ url }, '', start, 'SIGINT');
  return Object.assign(engine, { version: (await versionOf(url)) ?? '' });
}

/** What the server says its version is; null while it does not take connections. */
export async function versionOf(url: string): Promise<string | null> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string }>(`SELECT current_setting('server_version') AS version`);
    return rows[0]?.version ?? null;
  } catch {
    return null;
  } finally {
    await client.end();
  }
}
