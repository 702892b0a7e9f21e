import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { NO_LIMITS } from '../../events/quota/limits.ts';
import { changeAdminRights } from '../accounts/adminRights.ts';
import type { Core } from './core.ts';
import type { Management } from './management.ts';

const firstRunFile = z.object({ baseUrl: z.string(), testKey: z.string(), email: z.string(), password: z.string() });
export type FirstRun = z.infer<typeof firstRunFile>;

const EMAIL = 'first-run@tallystick.invalid';

/**
 * On the first start: a user who is an administrator and has a test key, written to `DATA_DIR/first-run.json` (mode 0600), so that a newcomer can
 * call at once. On later starts the file is read, and its base URL kept true.
 */
export async function firstRun(core: Core, management: Management, baseUrl: string): Promise<FirstRun> {
  const path = pathIn(core.config.DATA_DIR);
  const before = readFirstRun(core.config.DATA_DIR);
  if (before) {
    const known = { ...before, baseUrl };
    write(path, known);
    return known;
  }
  const password = core.runtime.random.bytes(18).toString('base64url');
  const user = await management.accounts.register({ email: EMAIL, password, name: 'First run' }, 'first-run');
  const wish = { type: 'GrantAdminRights', userId: user.userId, reason: 'first start' } as const;
  await changeAdminRights(core, { ...wish, correlationId: 'first-run' });
  const { secret } = await management.keys.issue(
    user,
    { mode: 'test', name: 'First test key', limits: NO_LIMITS, models: null, expiresAt: null },
    'first-run',
  );
  const made = { baseUrl, testKey: secret, email: EMAIL, password };
  write(path, made);
  return made;
}

/** What the first start wrote; null when there was none. Throws when the file is not what it should be. */
export function readFirstRun(dataDir: string): FirstRun | null {
  const path = pathIn(dataDir);
  return existsSync(path) ? firstRunFile.parse(JSON.parse(readFileSync(path, 'utf8'))) : null;
}

/** A line that a newcomer can paste. */
export function firstCall({ baseUrl, testKey }: FirstRun): string {
  const body = '{"model":"tallystick-sim","messages":[{"role":"user","content":"Hello!"}]}';
  return `curl -s ${baseUrl}/v1/chat/completions -H "Authorization: Bearer ${testKey}" -H "Content-Type: application/json" -d '${body}'`;
}

function pathIn(dataDir: string): string {
  return join(dataDir, 'first-run.json');
}

function write(path: string, content: FirstRun): void {
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
}
