import { describe, expect, it } from 'vitest';
import { Flow } from '../../../../services/relay/realtime/flow.ts';
import { Inbox } from '../../../../services/relay/realtime/inbox.ts';
import { settleDown } from '../exchangeHarness.ts';
import { ManualTimers } from '../manualTimers.ts';

function inbox() {
  const told: string[] = [];
  const box = new Inbox(
    (busy) => told.push(busy ? 'busy' : 'free'),
    (error) => {
      told.push(`broken: ${String(error)}`);
      return Promise.resolve();
    },
  );
  return { box, told };
}

describe('An inbox', () => {
  it('does at once what need not wait, and tells nobody', () => {
    const { box, told } = inbox();
    box.put(() => void told.push('one'));
    expect(told).toEqual(['one']);
  });

  it('keeps the order over what has to be waited for', async () => {
    const { box, told } = inbox();
    const gate = Promise.withResolvers<undefined>();
    box.put(() => gate.promise.then(() => void told.push('first')));
    box.put(() => void told.push('second'));
    expect(told).toEqual(['busy']);
    gate.resolve(undefined);
    await settleDown();
    expect(told).toEqual(['busy', 'first', 'free', 'second']);
  });

  it('puts what a job puts behind what is there', async () => {
    const { box, told } = inbox();
    box.put(() => {
      box.put(() => void told.push('inner'));
      told.push('outer');
      return undefined;
    });
    await settleDown();
    expect(told).toEqual(['outer', 'inner']);
  });

  it('goes on after a job that throws or rejects', async () => {
    const { box, told } = inbox();
    box.put(() => {
      throw new Error('now');
    });
    box.put(() => Promise.reject(new Error('later')));
    box.put(() => void told.push('next'));
    await settleDown();
    expect(told.filter((word) => !['busy', 'free'].includes(word))).toEqual([
      'broken: Error: now',
      'broken: Error: later',
      'next',
    ]);
  });
});

describe('A flow', () => {
  function flow() {
    const timers = new ManualTimers();
    const told: string[] = [];
    const socket = {
      send: () => true,
      pause: () => void told.push('pause'),
      resume: () => void told.push('resume'),
      close: () => undefined,
    };
    return { flow: new Flow(timers, 1_000), socket, timers, told };
  }

  it('lets its source wait as long as there is any reason', () => {
    const { flow: tested, socket, told } = flow();
    tested.source = socket;
    tested.busy = true;
    tested.full(() => undefined);
    tested.busy = false;
    expect(told).toEqual(['pause']);
    tested.drained();
    expect(told).toEqual(['pause', 'resume']);
  });

  it('lets a source wait that comes when there is a reason already', () => {
    const { flow: tested, socket, told } = flow();
    tested.early = true;
    tested.source = socket;
    expect(told).toEqual(['pause']);
    tested.early = false;
    expect(told).toEqual(['pause', 'resume']);
  });

  it('tells of a side that takes nothing for too long, and of none that catches up', () => {
    const { flow: tested, timers, told } = flow();
    const stalled = () => void told.push('stalled');
    tested.full(stalled);
    timers.advance(999);
    tested.drained();
    timers.advance(1_000);
    expect(told).toEqual([]);
    tested.full(stalled);
    tested.full(stalled);
    timers.advance(1_000);
    expect(told).toEqual(['stalled']);
  });
});
