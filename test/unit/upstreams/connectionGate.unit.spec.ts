import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionGate } from '../../../infra/upstreams/connectionGate.ts';

describe('a gate of connections', () => {
  it('admits, lets wait, and refuses', () => {
    const gate = new ConnectionGate<string>(2, 1);
    expect(['a', 'b', 'c', 'd'].map((one) => gate.enter(one))).toEqual(['admitted', 'admitted', 'waiting', 'full']);
    expect(gate.leave()).toBe('c');
    expect(gate.leave()).toBeUndefined();
    expect(gate.enter('e')).toBe('admitted');
  });

  it('forgets who has withdrawn', () => {
    const gate = new ConnectionGate<string>(1, 2);
    ['a', 'b', 'c'].forEach((one) => gate.enter(one));
    gate.withdraw('b');
    expect(gate.waiting).toBe(1);
    expect(gate.leave()).toBe('c');
  });

  it('never has more inside than places, and serves in order, however they come and go', () => {
    const step = fc.constantFrom('enter', 'leave', 'withdraw');
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 4 }),
        fc.array(step, { maxLength: 60 }),
        (places, queue, steps) => {
          const gate = new ConnectionGate<number>(places, queue);
          let inside = 0;
          let waiting: number[] = [];
          for (const [one, action] of steps.entries()) {
            if (action === 'enter') {
              const expected = inside < places ? 'admitted' : waiting.length < queue ? 'waiting' : 'full';
              expect(gate.enter(one)).toBe(expected);
              if (expected === 'admitted') inside += 1;
              if (expected === 'waiting') waiting.push(one);
            } else if (action === 'leave' && inside > 0) {
              const next = waiting.shift();
              expect(gate.leave()).toBe(next);
              if (next === undefined) inside -= 1;
            } else if (action === 'withdraw') {
              const last = waiting.at(-1);
              if (last !== undefined) gate.withdraw(last);
              waiting = waiting.slice(0, -1);
            }
            expect(gate.waiting).toBe(waiting.length);
          }
        },
      ),
    );
  });
});
