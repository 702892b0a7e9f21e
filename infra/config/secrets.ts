import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from './config.ts';

const secretsFile = z.object({ masterKey: z.string().regex(/^[0-9a-f]{64}$/), jwtSecret: z.string().min(32) });
export type Secrets = z.infer<typeof secretsFile>;

/**
 * The secrets of this installation: from the configuration where it has them, otherwise from `DATA_DIR/secrets.json`,
 * which is made on first use with mode 0600. Throws when the file is there but not readable as such.
 */
export function loadSecrets(config: Pick<Config, 'DATA_DIR' | 'MASTER_KEY' | 'JWT_SECRET'>): Secrets {
  if (config.MASTER_KEY !== undefined && config.JWT_SECRET !== undefined) {
    return { masterKey: config.MASTER_KEY, jwtSecret: config.JWT_SECRET };
  }
  const stored = readOrCreate(config.DATA_DIR);
  return { masterKey: config.MASTER_KEY ?? stored.masterKey, jwtSecret: config.JWT_SECRET ?? stored.jwtSecret };
}

function readOrCreate(dataDir: string): Secrets {
  const path = join(dataDir, 'secrets.json');
  const fresh: Secrets = { masterKey: randomBytes(32).toString('hex'), jwtSecret: randomBytes(32).toString('hex') };
  mkdirSync(dataDir, { recursive: true });
  try {
    writeFileSync(path, `${JSON.stringify(fresh)}\n`, { mode: 0o600, flag: 'wx' });
    return fresh;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return secretsFile.parse(JSON.parse(readFileSync(path, 'utf8')));
  }
}
