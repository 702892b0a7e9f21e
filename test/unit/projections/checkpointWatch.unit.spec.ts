import { beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { CheckpointWatch } from '../../../projections/checkpointWatch.ts';
import { ManualTimers } from './manualTimers.ts';

const rows = vi.fn<() => { name: string; position: string }[]>();
const sql = { query: vi.fn(() => Promise.resolve({ rows: rows() as never[], rowCount: null })) };
const turn = () => new Promise((resolve) => setImmediate(resolve));

let timers: ManualTimers;
let watch: CheckpointWatch;

beforeEach(() => {
  sql.query.mockClear();
  timers = new ManualTimers();
  watch = new CheckpointWatch({ sql, timers, projections: ['keys', 'quota'] });
});

const at = (keys: number, quota: number) => [
  { name: 'keys', position: String(keys) },
  { name: 'quota', position: String(quota) },
];

describe('waiting for projections that other processes keep up', () => {
  it('ends when the last of them has arrived', async () => {
    const arrived = vi.fn();
    rows.mockReturnValue(at(5, 4));
    const waiting = watch.caughtUp(5n).then(arrived);
    await turn();
    expect(arrived).not.toHaveBeenCalled();
    rows.mockReturnValue(at(6, 5));
    timers.fire(20);
    await waiting;
    expect(sql.query).toHaveBeenLastCalledWith(
      `SELECT 'keys' AS name, min(position) AS position FROM keys.checkpoint UNION ALL ` +
        `SELECT 'quota' AS name, min(position) AS position FROM quota.checkpoint`,
    );
  });

  it('looks each 20 ms, once for all who wait, and not at all when nobody does', async () => {
    rows.mockReturnValue(at(1, 1));
    const waiting = Promise.all(Array.from({ length: 100 }, () => watch.caughtUp(2n, undefined, 60_000)));
    await turn();
    expect(sql.query).toHaveBeenCalledTimes(1);
    expect(timers.delays.filter((delay) => delay !== 60_000)).toEqual([20]);
    rows.mockReturnValue(at(2, 2));
    timers.fire(20);
    await waiting;
    expect(sql.query).toHaveBeenCalledTimes(2);
    timers.fire(20);
    await turn();
    expect(sql.query).toHaveBeenCalledTimes(2);
    expect(timers.waiting).toBe(0);
    await watch.caughtUp(2n);
    expect(sql.query).toHaveBeenCalledTimes(2);
  });

  it('is told by its deadline who is late, and where', async () => {
    rows.mockReturnValue(at(9, 4));
    const waiting = watch.caughtUp(5n, ['quota', 'keys'], 700);
    waiting.catch(() => undefined);
    await turn();
    expect(timers.delays).toEqual([700, 20]);
    timers.fire();
    await expect(waiting).rejects.toThrow('not at position 5 in time: quota at 4');
  });

  it('goes on while the database or the tables are not there', async () => {
    const trouble = new StoreUnavailable('as told by the test');
    rows.mockImplementationOnce(() => {
      throw trouble;
    });
    const late = watch.caughtUp(1n, ['keys'], 100);
    late.catch(() => undefined);
    await turn();
    timers.fire();
    await expect(late).rejects.toThrow('keys at an unknown position');
    await expect(late).rejects.toMatchObject({ cause: trouble });
  });

  it('refuses names that are no projection', async () => {
    await expect(watch.caughtUp(0n, ['ledger'])).rejects.toThrow('not all of these are running projections: ledger');
    expect(sql.query).not.toHaveBeenCalled();
  });
});
