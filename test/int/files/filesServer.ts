import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MemoryRateLimiter } from '../../../infra/memory/rateLimiter.ts';
import { diskObjects } from '../../../infra/objects/diskObjects.ts';
import { postgresFiles } from '../../../infra/postgres/files.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { Library } from '../../../services/files/library.ts';
import type { FileRecords, ObjectStore } from '../../../services/files/ports.ts';
import { fileRoutes } from '../../../services/files/routes.ts';
import { createApp } from '../../../services/http/app.ts';
import { ApiError } from '../../../services/http/errors.ts';
import { createHttpServer } from '../../../services/http/server.ts';
import type { CallerKey } from '../../../services/relay/ports.ts';
import type { Runtime } from '../../../services/runtime.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

export const MAX_FILE = 100_000;
export const MAX_ACCOUNT = 250_000;

/** The routes of files over real HTTP, PostgreSQL and a disk. The key `secret_x` is of the account `acct_x`. */
export class FilesServer {
  readonly database: TestDatabase;
  readonly library: Library;
  readonly records: FileRecords;
  readonly objects: ObjectStore;
  readonly files: ReturnType<typeof fileRoutes>;
  readonly directory: string;
  /** Added to the clock. */
  aheadMs = 0;
  #server: Server | null = null;

  static async start(): Promise<FilesServer> {
    const directory = await mkdtemp(path.join(tmpdir(), 'files-'));
    const objects = await diskObjects(path.join(directory, 'objects'), randomUUID);
    const files = new FilesServer(await testDatabase(), objects, directory);
    await files.#listen();
    return files;
  }

  private constructor(database: TestDatabase, objects: ObjectStore, directory: string) {
    const system = systemRuntime(silentLog);
    const runtime: Runtime = {
      ...system,
      clock: { now: () => system.clock.now() + this.aheadMs, monotonic: () => system.clock.monotonic() },
    };
    this.database = database;
    this.directory = directory;
    this.objects = objects;
    this.records = postgresFiles(database.pool);
    const limits = { maxFileBytes: MAX_FILE, maxAccountBytes: MAX_ACCOUNT };
    this.library = new Library({ objects, records: this.records, runtime, limits });
    const publicUrl = 'https://relay.example';
    this.files = fileRoutes({
      library: this.library,
      links: { key: Buffer.alloc(32, 9), publicUrl, clock: runtime.clock },
      limiter: new MemoryRateLimiter(),
      uploads: {
        admission: { authenticate },
        runtime,
        clientLimits: { maxBufferBytes: 65_536, stallMs: 10_000, keepAliveMs: 10_000 },
        maxFileBytes: MAX_FILE,
        maxUploads: 3,
        maxUploadsOfAccount: 2,
      },
    });
    const app = createApp({
      routes: this.files.routes,
      relayRoutes: this.files.relayRoutes,
      authenticateKey: authenticate,
      authenticateUser: () => Promise.reject(new ApiError('invalid_token')),
      isAdmin: () => Promise.resolve(false),
      runtime,
    });
    this.#server = createHttpServer(app, this.files.relayRoutes, 100, runtime.ids);
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server?.address() as AddressInfo).port)}`;
  }

  /** The keys of what lies in the object store. */
  stored(): Promise<string[]> {
    return readdir(path.join(this.directory, 'objects'));
  }

  async call(method: string, target: string, account = 'a', init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer secret_${account}`, ...(init.headers as Record<string, string>) };
    return fetch(`${this.url}${target}`, { method, ...init, headers });
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
    await this.database.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  async #listen(): Promise<void> {
    this.#server?.listen(0, '127.0.0.1');
    if (this.#server) await once(this.#server, 'listening');
  }
}

function authenticate(headers: IncomingHttpHeaders): CallerKey {
  const [, name] = /^Bearer secret_(\w+)$/.exec(headers.authorization ?? '') ?? [];
  if (name === undefined) throw new ApiError('invalid_api_key');
  return {
    keyId: `key_${name}`,
    accountId: `acct_${name}`,
    mode: 'live',
    status: 'active',
    models: null,
    requestsPerMinute: null,
    tokensPerMinute: null,
    concurrency: null,
  };
}

/** A form with one file and some fields. */
export function formOf(name: string, content: string | Uint8Array<ArrayBuffer>, fields: Record<string, string> = {}) {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append('file', new Blob([content], { type: 'image/png' }), name);
  return form;
}
