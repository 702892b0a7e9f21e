import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import { controlled, type Engine } from './engine.ts';
import { EngineMissing } from './engineMissing.ts';
import { freePort, launch } from './engineProcess.ts';
import { howToInstall, installPackages, mayInstall, outputOf } from './programs.ts';

export interface RedisEngine extends Engine {
  readonly url: string;
}

export interface RedisOptions {
  /** Belongs to this server alone; made when it is missing. */
  readonly directory: string;
  /** Of loopback; a free one by default. */
  readonly port?: number;
  /** Settings as on redis-server's command line; they come last and win. */
  readonly args?: readonly string[];
  /** Whether what is missing may be installed; by default in CI only. */
  readonly install?: boolean;
  readonly outlivesUs?: boolean;
}

const PROGRAM = 'redis-server';

/** A redis-server that evicts nothing and keeps what it confirmed within a second. Resolves when it answers. Throws EngineMissing. */
export async function startRedis(options: RedisOptions): Promise<RedisEngine> {
  const version = await findRedis(options.install ?? mayInstall());
  const directory = path.resolve(options.directory);
  const port = options.port ?? (await freePort());
  const url = `redis://127.0.0.1:${String(port)}`;
  await mkdir(directory, { recursive: true });
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: directory,
    'maxmemory-policy': 'noeviction',
    appendonly: 'yes',
    save: '',
  };
  const start = () =>
    launch(
      {
        program: PROGRAM,
        args: [...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]), ...(options.args ?? [])],
        logFile: path.join(directory, 'redis.log'),
        cwd: directory,
        env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TZ: 'UTC' },
        outlivesUs: options.outlivesUs ?? false,
      },
      () => answers(url),
    );
  return controlled({ url }, version, start);
}

/** The version of the redis-server on PATH. */
async function findRedis(install: boolean): Promise<string> {
  const version = /v=(\S+)/.exec((await outputOf(PROGRAM, '--version')) ?? '')?.[1];
  if (version !== undefined) return version;
  if (install && (await installPackages(PROGRAM))) return findRedis(false);
  throw new EngineMissing('redis', `there is no ${PROGRAM} on PATH; ${howToInstall(PROGRAM)}`);
}

/** Whether the server answers, and not that it is still loading. */
export async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: 1_000,
    commandTimeout: 1_000,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    await redis.ping();
    return true;
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
