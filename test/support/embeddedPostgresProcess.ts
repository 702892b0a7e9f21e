import { startEmbeddedPostgres } from '../../infra/postgres/embedded/embeddedPostgres.ts';
import { silentLog } from './log.ts';

/** A process that runs an embedded Postgres until it is killed, for tests of how it ends. Prints one line of JSON. */
const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? '', log: silentLog });
process.on('SIGINT', () => {
  process.stdout.write('interrupted\n');
});
process.on('SIGUSR2', () => {
  process.exit(1);
});
process.stdout.write(`${JSON.stringify({ url: postgres.url, pid: postgres.pid })}\n`);
setInterval(() => undefined, 1_000);
