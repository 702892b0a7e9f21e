import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { closePool, inTransaction, openPool } from '../../../infra/postgres/database.ts';
import { silentLog } from '../../support/log.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** One message of the Postgres protocol: type, length, body. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

describe('a pool', () => {
  it('survives a server that welcomes a connection and ends it in the same breath', async () => {
    const welcomeAndGoodbye = Buffer.concat([
      message('R', Buffer.alloc(4)),
      message('Z', Buffer.from('I')),
      message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')),
    ]);
    const server = createServer((socket) => socket.once('data', () => socket.end(welcomeAndGoodbye)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const pool = openPool({
      connectionString: `postgres://somebody@127.0.0.1:${String((server.address() as AddressInfo).port)}/db`,
      applicationName: 'test',
      maxConnections: 1,
      timeoutMs: 1_000,
      log: silentLog,
    });
    closing.push(() => closePool(pool));

    await expect(inTransaction(pool, () => Promise.resolve('never'))).rejects.toThrow();
  });
});
