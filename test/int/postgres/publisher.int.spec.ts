import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { closePool, openPool } from '../../../infra/postgres/database.ts';
import { PostgresLeaderLock } from '../../../infra/postgres/leaderLock.ts';
import { PostgresPublisherCheckpoints } from '../../../infra/postgres/publisherCheckpoints.ts';
import { PartitionsChanged, type Leadership } from '../../../services/publisher/ports.ts';
import { ControlledPostgres } from '../../support/controlledPostgres.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(() => database.close());

const untilLost = ({ lost }: Leadership) =>
  new Promise<void>((resolve) => {
    if (lost.aborted) resolve();
    else lost.addEventListener('abort', () => resolve());
  });

describe('The checkpoint of a publisher', () => {
  it('begins at nothing, moves, and is where it was when another term begins', async () => {
    const checkpoints = new PostgresPublisherCheckpoints(database.pool, 'events');
    const begun = await checkpoints.begin(3);
    expect(begun).toEqual({ term: 1n, progress: { position: 0n, lastPositions: [0n, 0n, 0n] } });
    const moved = { position: 2n ** 62n, lastPositions: [0n, 2n ** 62n, 7n] };
    expect(await checkpoints.advance(1n, 0n, moved)).toBe(true);
    expect(await checkpoints.begin(3)).toEqual({ term: 2n, progress: moved });
  });

  it('takes a repeated move for what it is', async () => {
    const checkpoints = new PostgresPublisherCheckpoints(database.pool, 'events');
    const { term } = await checkpoints.begin(1);
    const moved = { position: 5n, lastPositions: [5n] };
    expect(await checkpoints.advance(term, 0n, moved)).toBe(true);
    expect(await checkpoints.advance(term, 0n, moved)).toBe(true);
  });

  it('is not moved from a place where it is not, nor by an earlier term, even back to where that stood', async () => {
    const checkpoints = new PostgresPublisherCheckpoints(database.pool, 'events');
    const zombie = await checkpoints.begin(1);
    const leader = await checkpoints.begin(1);
    expect(await checkpoints.advance(zombie.term, 0n, { position: 5n, lastPositions: [5n] })).toBe(false);
    expect(await checkpoints.advance(leader.term, 3n, { position: 5n, lastPositions: [5n] })).toBe(false);
    expect(await checkpoints.begin(1)).toMatchObject({ progress: { position: 0n, lastPositions: [0n] } });
  });

  it('is one for each topic, and refuses another number of partitions', async () => {
    const checkpoints = new PostgresPublisherCheckpoints(database.pool, 'events');
    await checkpoints.begin(2);
    await expect(checkpoints.begin(3)).rejects.toThrow(PartitionsChanged);
    expect(await new PostgresPublisherCheckpoints(database.pool, 'other').begin(3)).toMatchObject({ term: 1n });
  });

  it('says when the database cannot be reached', async () => {
    const connectionString = 'postgres://nobody@127.0.0.1:1/nothing';
    const pool = openPool({
      connectionString,
      applicationName: 'test',
      maxConnections: 1,
      timeoutMs: 500,
      log: silentLog,
    });
    const checkpoints = new PostgresPublisherCheckpoints(pool, 'events');
    await expect(checkpoints.begin(1)).rejects.toThrow(StoreUnavailable);
    await closePool(pool);
  });
});

describe('The lock of a leader', () => {
  const never = new AbortController().signal;
  const lockOf = (name: string, connectionString = database.url, leaseMs = 1_000) =>
    new PostgresLeaderLock({ connectionString, name, leaseMs, log: silentLog });

  it('is held by one at a time, passes on when it is released, and has nothing to do with other names', async () => {
    const first = await lockOf('a').acquire(never);
    const other = await lockOf('b').acquire(never);
    const second = lockOf('a').acquire(never);
    expect(await Promise.race([second, Promise.resolve('waits')])).toBe('waits');
    await first?.release();
    const next = await second;
    expect([first?.lost.aborted, next?.lost.aborted, other?.lost.aborted]).toEqual([true, false, false]);
    await Promise.all([next?.release(), other?.release()]);
  });

  it('is lost with its connection, and then another has it', async () => {
    const first = await lockOf('a').acquire(never);
    if (!first) throw new Error('not acquired');
    await database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'tallystick leader' AND datname = current_database()`,
    );
    await untilLost(first);
    const second = await lockOf('a').acquire(never);
    expect(second?.lost.aborted).toBe(false);
    await second?.release();
  });

  it('is kept for longer than a lease by one who lives', async () => {
    const first = await lockOf('a', database.url, 300).acquire(never);
    const patience = AbortSignal.timeout(1_000);
    expect(await lockOf('a').acquire(patience)).toBeNull();
    expect(first?.lost.aborted).toBe(false);
    await first?.release();
  });

  it('is waited for no longer than the signal says, also when there is no server', async () => {
    const patience = AbortSignal.timeout(100);
    expect(await lockOf('a', 'postgres://nobody@127.0.0.1:1/nothing').acquire(patience)).toBeNull();
  });

  it('is lost in time when the server freezes, and had again when it thaws', async () => {
    const postgres = await ControlledPostgres.create();
    try {
      const first = await lockOf('a', postgres.url).acquire(never);
      if (!first) throw new Error('not acquired');
      await postgres.freeze();
      await untilLost(first);
      await first.release();
      await postgres.thaw();
      const second = await lockOf('a', postgres.url).acquire(never);
      expect(second?.lost.aborted).toBe(false);
      await second?.release();
    } finally {
      await postgres.dispose();
    }
  });
});
