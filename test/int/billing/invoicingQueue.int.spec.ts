import { connect, createServer, type AddressInfo } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { migrateJobs, openJobPool } from '../../../infra/bullmq/jobDatabase.ts';
import { postgresJobs } from '../../../infra/bullmq/jobBackend.ts';
import { BullInvoicingQueue } from '../../../infra/bullmq/invoicingQueue.ts';
import { startInvoicingWorker } from '../../../infra/bullmq/invoicingWorker.ts';
import { invoicingJobsContract } from '../../contract/invoicingJobs.contract.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase } from '../../support/postgres.ts';

describe('Invoicing jobs in Postgres:', () => {
  invoicingJobsContract(async () => {
    const database = await testDatabase();
    return {
      jobs: postgresJobs(database.url),
      databaseUrl: database.url,
      arguments: [database.url],
      async dropConnections() {
        const { rowCount } = await database.pool.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        );
        return rowCount ?? 0;
      },
      close: () => database.close(),
    };
  });

  it('have a schema of their own, also when it is made twice at once', async () => {
    const database = await testDatabase();
    await Promise.all([migrateJobs(database.url), migrateJobs(database.url)]);
    const { rows } = await database.pool.query<{ schema: string }>(
      `SELECT DISTINCT table_schema AS schema FROM information_schema.tables WHERE table_name IN ('job', 'migration')`,
    );
    expect(rows).toEqual([{ schema: 'bullmq' }]);
    await database.close();
  });

  it('live through the loss of a connection that is in use', async () => {
    const database = await testDatabase();
    const pool = openJobPool(database.url);
    pool.on('error', () => undefined);
    const client = await pool.connect();
    const { rows: found } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const ended = new Promise((resolve) => client.once('end', resolve));
    // Between two statements, as in a transaction of BullMQ; without a listener of ours this would end the process.
    await database.pool.query('SELECT pg_terminate_backend($1)', [found[0]?.pid]);
    await ended;
    await expect(client.query('SELECT 1')).rejects.toThrow('not queryable');
    client.release(true);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await pool.end();
    await database.close();
  });

  it('are worked on although the server ends connections in the packet that opened them, as one that dies just then', async () => {
    const database = await testDatabase();
    await migrateJobs(database.url);
    const dying = await dyingServer(database.url, (connection) => connection % 2 === 0);
    const queue = await BullInvoicingQueue.open(postgresJobs(database.url), silentLog);
    const closed: string[] = [];
    const worker = await startInvoicingWorker(
      postgresJobs(dying.url),
      { close: ({ accountId }) => Promise.resolve(closed.push(accountId)), sweep: () => Promise.resolve(null) },
      silentLog,
    );
    await queue.requestClose('acct_1', '2026-11', false);
    await vi.waitFor(() => expect(closed).toEqual(['acct_1']), { timeout: 20_000, interval: 50 });
    expect(dying.ended()).toBeGreaterThan(0);
    await Promise.all([queue.close(), worker.close()]);
    await dying.close();
    await database.close();
  });

  it('are not begun with when the database cannot be asked: BullMQ would never ask again', async () => {
    const database = await testDatabase();
    const dying = await dyingServer(database.url, () => true);
    const opening = BullInvoicingQueue.open(postgresJobs(dying.url), silentLog);
    await expect(opening).rejects.toThrow('the job tables cannot be reached');
    await dying.close();
    await database.close();
  });
});

const GOODBYE = Buffer.from('SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0');

/** A way to a database on which doomed connections end in the very packet that says they are ready. They count from 1. */
async function dyingServer(
  databaseUrl: string,
  isDoomed: (connection: number) => boolean,
): Promise<{ readonly url: string; ended(): number; close(): Promise<void> }> {
  const { hostname, port } = new URL(databaseUrl);
  let [connections, ended] = [0, 0];
  const server = createServer((client) => {
    connections += 1;
    const endsAtOnce = isDoomed(connections);
    const upstream = connect(Number(port), hostname);
    client.pipe(upstream);
    upstream.on('data', (data: Buffer) => {
      // ReadyForQuery: 'Z', a length of 5, and the state of the transaction.
      const isReady = data.at(-6) === 0x5a && data.readInt32BE(data.length - 5) === 5;
      if (!endsAtOnce || !isReady) {
        client.write(data);
        return;
      }
      ended += 1;
      const head = Buffer.from('E\0\0\0\0');
      head.writeInt32BE(GOODBYE.length + 4, 1);
      client.end(Buffer.concat([data, head, GOODBYE]));
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    ended: () => ended,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
