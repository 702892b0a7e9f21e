import { acquireInstanceLock } from '../../infra/postgres/embedded/instanceLock.ts';

/** A process that holds the instance lock of a directory until it is killed, or says why it cannot. */
try {
  await acquireInstanceLock(process.argv[2] ?? '', () => ({ pid: process.pid, baseUrl: 'http://127.0.0.1:8787' }));
  process.stdout.write('locked\n');
  setInterval(() => undefined, 1_000);
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
}
