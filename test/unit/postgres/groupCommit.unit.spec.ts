import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { GroupCommit, type GroupCommitOptions } from '../../../infra/postgres/groupCommit.ts';

/** A queue whose batches are recorded and committed when the test says so; outcomes are the items in upper case. */
function queue(options: Partial<GroupCommitOptions<string, string>> = {}) {
  const batches: (readonly string[])[] = [];
  const settle: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const commits = new GroupCommit<string, string>({
    maxWaiting: 100,
    maxBatch: 10,
    commit: (batch) =>
      new Promise((resolve, reject) => {
        batches.push(batch);
        settle.push({
          resolve: () => {
            resolve(batch.map((item) => item.toUpperCase()));
          },
          reject,
        });
      }),
    ...options,
  });
  const next = async () => {
    await turns();
    return settle.shift() ?? expect.unreachable('no batch is in flight');
  };
  return { commits, batches, next };
}

/** Lets everything run that is ready to run. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('group commit', () => {
  it('commits what is submitted together as one batch and gives each caller its own outcome', async () => {
    const { commits, batches, next } = queue();
    const results = Promise.all(['a', 'b', 'c'].map((item) => commits.submit(item)));
    (await next()).resolve();
    expect(await results).toEqual(['A', 'B', 'C']);
    expect(batches).toEqual([['a', 'b', 'c']]);
  });

  it('collects what arrives during a commit for the next batch', async () => {
    const { commits, batches, next } = queue();
    const first = commits.submit('a');
    const inFlight = await next();
    const later = Promise.all([commits.submit('b'), commits.submit('c')]);
    expect(commits.waiting).toBe(2);
    await turns();
    expect(batches).toEqual([['a']]);
    inFlight.resolve();
    expect(await first).toBe('A');
    (await next()).resolve();
    expect(await later).toEqual(['B', 'C']);
    expect(batches).toEqual([['a'], ['b', 'c']]);
  });

  it('cuts batches at the greatest number and at the greatest size', async () => {
    const sized = { maxBatch: 3, maxBatchSize: 10, sizeOf: (item: string) => item.length };
    const { commits, batches, next } = queue(sized);
    const items = ['1', '2', '3', '4', 'eight888', 'more than ten', '5'];
    const results = Promise.all(items.map((item) => commits.submit(item)));
    for (let batch = 0; batch < 4; batch += 1) (await next()).resolve();
    expect(await results).toEqual(items.map((item) => item.toUpperCase()));
    expect(batches).toEqual([['1', '2', '3'], ['4', 'eight888'], ['more than ten'], ['5']]);
  });

  it('never puts two items of one key into a batch, and keeps their order', async () => {
    const { commits, batches, next } = queue({ conflictKey: (item) => item[0] ?? '', maxBatch: 3 });
    const results = Promise.all(['a1', 'a2', 'b1', 'a3', 'b2', 'c1', 'd1'].map((item) => commits.submit(item)));
    for (let batch = 0; batch < 3; batch += 1) (await next()).resolve();
    expect(await results).toEqual(['A1', 'A2', 'B1', 'A3', 'B2', 'C1', 'D1']);
    expect(batches).toEqual([['a1', 'b1', 'c1'], ['a2', 'b2', 'd1'], ['a3']]);
  });

  it('fails every caller of a failed batch with its error, and nobody else', async () => {
    const { commits, next } = queue({ maxBatch: 2 });
    const results = Promise.allSettled(['a', 'b', 'c'].map((item) => commits.submit(item)));
    const error = new StoreUnavailable('gone');
    (await next()).reject(error);
    (await next()).resolve();
    expect(await results).toEqual([
      { status: 'rejected', reason: error },
      { status: 'rejected', reason: error },
      { status: 'fulfilled', value: 'C' },
    ]);
  });

  it('fails a batch whose commit throws at once or returns too few outcomes', async () => {
    const throwing = queue({
      commit: () => {
        throw new RangeError('bad batch');
      },
    });
    await expect(throwing.commits.submit('a')).rejects.toThrow(RangeError);
    const short = queue({ commit: () => Promise.resolve([]) });
    await expect(short.commits.submit('a')).rejects.toThrow('another number of outcomes');
  });

  it('refuses more than may wait, not counting what is in flight', async () => {
    const { commits, next } = queue({ maxWaiting: 2 });
    const accepted = [commits.submit('a')];
    const inFlight = await next();
    accepted.push(commits.submit('b'), commits.submit('c'));
    await expect(commits.submit('d')).rejects.toThrow(new StoreUnavailable('too many writes are waiting'));
    inFlight.resolve();
    (await next()).resolve();
    expect(await Promise.all(accepted)).toEqual(['A', 'B', 'C']);
  });

  it('answers in time when a commit hangs, and never commits what it gave up before sending', async () => {
    const { commits, batches, next } = queue({ timeoutMs: 50 });
    const sent = commits.submit('sent');
    const inFlight = await next();
    const waiting = commits.submit('waiting');
    await expect(sent).rejects.toThrow(StoreUnavailable);
    await expect(waiting).rejects.toThrow(StoreUnavailable);
    expect(commits.waiting).toBe(0);
    inFlight.resolve();
    const later = commits.submit('later');
    (await next()).resolve();
    expect(await later).toBe('LATER');
    expect(batches).toEqual([['sent'], ['later']]);
  });

  it('when closed, refuses new items and waits for those it has', async () => {
    const { commits, next } = queue({ maxBatch: 1 });
    const results = Promise.all([commits.submit('a'), commits.submit('b')]);
    let closed = false;
    const closing = commits.close().then(() => {
      closed = true;
    });
    await expect(commits.submit('c')).rejects.toThrow(StoreUnavailable);
    (await next()).resolve();
    await turns();
    expect(closed).toBe(false);
    (await next()).resolve();
    expect(await results).toEqual(['A', 'B']);
    await closing;
    await commits.close();
  });
});
