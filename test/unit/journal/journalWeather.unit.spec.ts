import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { MemoryEventStore, type Fault } from '../../../infra/memory/eventStore.ts';
import { reap } from '../../../services/relay/settlement/reap.ts';
import { exampleCall } from '../settlement/calls.ts';
import { JournalDirectory } from './journalDirectory.ts';

type Weather =
  | { readonly do: 'accept' | 'settle' | 'reap'; readonly call: number }
  | { readonly do: 'reachable'; readonly reachable: boolean }
  | { readonly do: 'fail'; readonly fault: Fault }
  | { readonly do: 'restart' };

const CALLS = 6;
const call = fc.nat(CALLS - 1);
const weather: fc.Arbitrary<Weather> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('accept', 'settle'), call }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reap' as const), call }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reachable' as const), reachable: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fail' as const), fault: fc.constantFrom('before', 'after') }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

describe('whatever the store, the process and the reaper do', () => {
  it('every acknowledged call is in the store once, as itself or as one correction, and in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(weather, { maxLength: 40 }), async (changes) => {
        const directory = await JournalDirectory.create();
        const store = new MemoryEventStore();
        const calls = Array.from({ length: CALLS }, (_, i) => exampleCall(`call ${String(i)}`));
        const said = calls.map(() => ({ accepted: false, settled: false }));
        let journal = await directory.open(store);
        const underWay: Promise<unknown>[] = [];

        for (const change of changes) {
          switch (change.do) {
            case 'accept':
            case 'settle': {
              const [example, state] = [calls[change.call], said[change.call]];
              if (!example || !state) break;
              // A relay says each thing once, and the settlement after the acceptance.
              if (change.do === 'accept' ? state.accepted : state.settled || !state.accepted) break;
              state[change.do === 'accept' ? 'accepted' : 'settled'] = true;
              underWay.push(journal.append(change.do === 'accept' ? example.acceptance : example.settlement));
              break;
            }
            case 'reap': {
              const example = calls[change.call];
              if (!example || !said[change.call]?.accepted) break;
              const now = Date.parse('2026-11-20T10:00:00.000Z');
              // The reaper of another process, which knows nothing of this journal.
              await store.readStream(example.stream, { direction: 'forwards', limit: 10 }).then(
                async (events) => {
                  const decision = reap(example.orphan, events, now);
                  if (decision.kind === 'reap') await store.append(decision.append).catch(() => undefined);
                },
                () => undefined,
              );
              break;
            }
            case 'reachable':
              store.reachable = change.reachable;
              break;
            case 'fail':
              store.failNext(change.fault);
              break;
            case 'restart':
              await Promise.all(underWay);
              await journal.close();
              journal = await directory.open(store);
          }
        }
        await Promise.all(underWay);
        store.reachable = true;
        await vi.waitFor(() => expect(journal.pending).toBe(0), { interval: 1, timeout: 5_000 });

        for (const [i, example] of calls.entries()) {
          const events = await store.readStream(example.stream, { direction: 'forwards', limit: 100 });
          const types = events.map((event) => event.type);
          if (!said[i]?.accepted) expect(types).toEqual([]);
          else expect(types[0]).toBe('RequestAccepted');
          const reaped = types.includes('HoldExpired');
          const usage = types.filter((type) => type.startsWith('Usage'));
          if (said[i]?.settled) expect(usage).toEqual(reaped ? ['UsageRecorded', 'UsageCorrected'] : ['UsageRecorded']);
          else expect(usage).toEqual(reaped ? ['UsageRecorded'] : []);
        }
        expect(journal.quarantined).toBe(0);
        await directory.remove();
      }),
      { numRuns: 30 },
    );
  }, 60_000);
});
