import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '../../infra/postgres/embedded/embeddedPostgres.ts';
import { silentLog } from './log.ts';

/** One Postgres for all test files, whose address is TEST_POSTGRES_URL; when that is set already, that server is used. */
export default async function setup(): Promise<() => Promise<void>> {
  if (process.env['TEST_POSTGRES_URL']) return () => Promise.resolve();
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tallystick-test-'));
  const postgres = await startEmbeddedPostgres({ dataDir, log: silentLog });
  process.env['TEST_POSTGRES_URL'] = postgres.url;
  return async () => {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}
