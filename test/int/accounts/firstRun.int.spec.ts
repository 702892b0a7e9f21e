import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAdmin } from '../../../services/accounts/adminRights.ts';
import type { Core } from '../../../services/wiring/core.ts';
import { firstRun } from '../../../services/wiring/firstRun.ts';
import type { Management as WiredManagement } from '../../../services/wiring/management.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { startManagement, type Management } from './managementServer.ts';

let database: TestDatabase;
let server: Management;
let directory: string;

beforeAll(async () => {
  database = await testDatabase();
  server = await startManagement(database);
  directory = mkdtempSync(join(tmpdir(), 'first-run-'));
});
afterAll(async () => {
  await server.stop();
  await database.close();
  rmSync(directory, { recursive: true, force: true });
});

it('makes the first user an administrator, once: what the operator takes back stays taken back', async () => {
  const { store, runtime, accounts, keys } = server;
  const core = { config: { DATA_DIR: directory }, store, runtime } as unknown as Core;
  const management = { accounts, keys } as unknown as WiredManagement;
  const { email, password } = await firstRun(core, management, 'http://127.0.0.1:1');

  const session = await server.call('POST', '/api/v1/login', { body: { email, password } });
  const token = String(session.body.data['token']);
  const stats = await server.call('GET', '/api/ai-api/admin/stats?mode=test', { token });
  expect([stats.status, stats.body]).toMatchObject([200, { users: 1, keys: { total: 1, active: 1 } }]);

  const userId = accounts.userIdOf(email);
  await server.changeRights(userId, 'RevokeAdminRights');
  await firstRun(core, management, 'http://127.0.0.1:2');
  expect(await isAdmin(store, userId)).toBe(false);
});
