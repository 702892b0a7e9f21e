import { afterEach, describe, expect, it, vi } from 'vitest';
import { HeadWatcher } from '../../../infra/headWatcher.ts';
import { silentLog } from '../../support/log.ts';

const NEVER = 3_600_000;
let ending = new AbortController();

afterEach(() => {
  ending.abort();
  ending = new AbortController();
});

/** A watcher of a log that others append to, and how often it has asked how long that is. */
function watching(head: { position: bigint }, pollMs: number) {
  const read = vi.fn(() => Promise.resolve(head.position));
  return { read, watcher: new HeadWatcher({ read, pollMs, log: silentLog }) };
}

describe('Waiting for the log to grow', () => {
  it('ends at a poll when another process appends', async () => {
    const head = { position: 1n };
    const { watcher } = watching(head, 1);
    const grown = watcher.beyond(1n, ending.signal);
    head.position = 2n;
    await grown;
  });

  it('ends at once when it is hinted that there is more', async () => {
    const head = { position: 1n };
    const { watcher, read } = watching(head, NEVER);
    const grown = watcher.beyond(1n, ending.signal);
    await vi.waitFor(() => expect(read).toHaveBeenCalledTimes(1));
    head.position = 2n;
    watcher.hinted(2n);
    await grown;
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('loses no hint that comes while it asks', async () => {
    const head = { position: 1n };
    const { watcher, read } = watching(head, NEVER);
    const answer = Promise.withResolvers<bigint>();
    read.mockImplementationOnce(() => answer.promise);
    const grown = watcher.beyond(1n, ending.signal);
    head.position = 2n;
    watcher.hinted(2n);
    answer.resolve(1n);
    await grown;
  });

  it('does not believe a hint: it asks once and goes on waiting', async () => {
    const { watcher, read } = watching({ position: 1n }, NEVER);
    let over = false;
    const grown = watcher.beyond(1n, ending.signal).then(() => (over = true));
    await vi.waitFor(() => expect(read).toHaveBeenCalledTimes(1));
    watcher.hinted(1_000_000n);
    await vi.waitFor(() => expect(read).toHaveBeenCalledTimes(2));
    watcher.hinted(1n);
    expect([over, read.mock.calls.length]).toEqual([false, 2]);
    ending.abort();
    await grown;
  });
});
