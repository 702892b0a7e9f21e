import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ChannelRouter,
  reportVerdict,
  type RoutedChannel,
  type RouterOptions,
} from '../../../services/relay/routing/router.ts';
import { ManualClock, seededRandom } from './manualClock.ts';

function channel(name: string, rest: Partial<RoutedChannel> = {}): RoutedChannel {
  return {
    name,
    protocol: 'openai',
    mode: 'live',
    models: new Map([['m', `${name}-m`]]),
    priority: 0,
    weight: 1,
    coolsOff: true,
    clientGone: 'cancel',
    drainMaxMs: 1_000,
    timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 1 },
    cost: null,
    quirks: {
      supportsStreamOptions: true,
      maxTokensField: 'max_tokens',
      supportsDeveloperRole: true,
      supportsParallelTools: true,
      reasoningField: 'reasoning_content',
      usagePath: 'usage',
      usageExcludesReasoning: false,
      stripsParams: [],
    },
    ...rest,
  };
}

/** A budget that never ends, for tests about something else. */
const GENEROUS: RouterOptions = { failOverBudget: { floor: 1e9 } };

function routing(channels: readonly RoutedChannel[], options: RouterOptions = GENEROUS, seed = 1) {
  const clock = new ManualClock();
  const router = new ChannelRouter(channels, { clock, random: seededRandom(seed) }, options);
  const names = (model = 'm', mode: 'live' | 'test' = 'live') => router.candidates(model, mode).map(({ name }) => name);
  const fail = (name: string, hintMs: number | null = null) => router.failed(named(name), hintMs);
  const succeed = (name: string) => router.succeeded(named(name));
  const named = (name: string) => {
    const found = channels.find((one) => one.name === name);
    if (!found) throw new Error(name);
    return { ...found, upstreamModel: '' };
  };
  return { clock, router, names, fail, succeed };
}

describe('choosing channels', () => {
  it('goes by priority first', () => {
    const { names } = routing([
      channel('c', { priority: 2 }),
      channel('a', { priority: 0 }),
      channel('b', { priority: 1 }),
    ]);
    expect(names()).toEqual(['a', 'b', 'c']);
  });

  it('gives at most as many as may be attempted', () => {
    const channels = ['a', 'b', 'c', 'd'].map((name, priority) => channel(name, { priority }));
    expect(routing(channels).names()).toEqual(['a', 'b', 'c']);
    expect(routing(channels, { ...GENEROUS, maxAttempts: 1 }).names()).toEqual(['a']);
  });

  it('gives each its own name of the model, and none for a model it does not serve', () => {
    const { router, names } = routing([channel('a'), channel('b', { models: new Map([['other', 'x']]) })]);
    expect(router.candidates('m', 'live').map(({ upstreamModel }) => upstreamModel)).toEqual(['a-m']);
    expect(names('nothing')).toEqual([]);
    expect(names('__proto__')).toEqual([]);
    expect(names('m', 'test')).toEqual([]);
  });

  it('keeps live and test apart', () => {
    const { router, names } = routing([channel('a'), channel('t', { mode: 'test', models: null })]);
    expect(names('m', 'live')).toEqual(['a']);
    expect(names('m', 'test')).toEqual(['t']);
    expect(router.models('live')).toEqual(new Set(['m']));
    expect(router.models('test')).toBeNull();
  });

  it('counts in a channel that serves every model, under the model’s own name', () => {
    const { router } = routing([channel('a'), channel('all', { models: null, priority: 1 })]);
    const of = (model: string) =>
      router.candidates(model, 'live').map(({ name, upstreamModel }) => [name, upstreamModel]);
    expect(of('m')).toEqual([
      ['a', 'a-m'],
      ['all', 'm'],
    ]);
    expect(of('x')).toEqual([['all', 'x']]);
    expect(router.models('live')).toBeNull();
  });

  it('has no models without channels', () => {
    const { router, names } = routing([]);
    expect(router.models('live')).toEqual(new Set());
    expect(names()).toEqual([]);
  });

  it('puts first in proportion to the weights', () => {
    const { names } = routing([channel('light', { weight: 1 }), channel('heavy', { weight: 3 })]);
    const draws = 20_000;
    const heavyFirst = Array.from({ length: draws }, () => names()[0]).filter((name) => name === 'heavy').length;
    // Standard deviation of a fair draw is 0.3 %.
    expect(heavyFirst / draws).toBeGreaterThan(0.735);
    expect(heavyFirst / draws).toBeLessThan(0.765);
  });

  it('always gives distinct channels in order of priority, whatever fails', () => {
    const anyChannels = fc.array(
      fc.record({ priority: fc.integer({ min: 0, max: 3 }), weight: fc.integer({ min: 1, max: 9 }) }),
      { maxLength: 6 },
    );
    const anyStep = fc.record({ who: fc.nat(5), what: fc.constantFrom('fail', 'succeed', 'cool', 'wait') });
    fc.assert(
      fc.property(anyChannels, fc.array(anyStep, { maxLength: 60 }), fc.nat(), (drafts, steps, seed) => {
        const channels = drafts.map((draft, index) => channel(`c${String(index)}`, draft));
        const { clock, router, fail, succeed } = routing(channels, {}, seed);
        for (const { who, what } of steps) {
          const target = channels[who];
          if (what === 'wait') clock.pass(1_000);
          else if (target && what === 'fail') fail(target.name);
          else if (target && what === 'succeed') succeed(target.name);
          else if (target) fail(target.name, 30_000);
          const cooling = new Set(
            router
              .status()
              .filter(({ state }) => state === 'cooling')
              .map(({ name }) => name),
          );
          const chosen = router.candidates('m', 'live').map(({ name }) => channels.find((one) => one.name === name));
          const priorities = chosen.map((one) => one?.priority ?? -1);
          expect(chosen.length).toBeLessThanOrEqual(3);
          expect(new Set(chosen).size).toBe(chosen.length);
          expect(priorities).toEqual(priorities.toSorted((left, right) => left - right));
          expect(chosen.some((one) => cooling.has(one?.name ?? ''))).toBe(false);
        }
      }),
    );
  });
});

describe('cooling off', () => {
  it('begins with the third failure in a row', () => {
    const { names, fail, succeed } = routing([channel('a'), channel('b', { priority: 1 })]);
    fail('a');
    fail('a');
    succeed('a');
    fail('a');
    fail('a');
    expect(names()).toEqual(['a', 'b']);
    fail('a');
    expect(names()).toEqual(['b']);
  });

  it('leaves nothing when the only channel cools', () => {
    const { names, fail } = routing([channel('a')]);
    for (let failures = 0; failures < 3; failures += 1) fail('a');
    expect(names()).toEqual([]);
  });

  it('lets one probe through when its time is over, and ends with its success', () => {
    const { clock, router, names, fail, succeed } = routing([channel('a')]);
    for (let failures = 0; failures < 3; failures += 1) fail('a');
    clock.pass(4_999);
    expect(names()).toEqual([]);
    expect(router.status()).toEqual([{ name: 'a', mode: 'live', state: 'cooling', coolsForMs: 1 }]);
    clock.pass(1);
    expect(names()).toEqual(['a']);
    expect(names()).toEqual([]);
    succeed('a');
    expect(names()).toEqual(['a']);
    expect(names()).toEqual(['a']);
    expect(router.status()[0]?.state).toBe('ready');
  });

  it('doubles with every failed probe up to a minute, and begins anew after a success', () => {
    const { clock, names, fail, succeed } = routing([channel('a')]);
    for (let failures = 0; failures < 3; failures += 1) fail('a');
    for (const seconds of [5, 10, 20, 40, 60, 60]) {
      clock.pass(seconds * 1_000 - 1);
      expect(names()).toEqual([]);
      clock.pass(1);
      expect(names()).toEqual(['a']);
      fail('a');
    }
    clock.pass(60_000);
    names();
    succeed('a');
    for (let failures = 0; failures < 3; failures += 1) fail('a');
    clock.pass(5_000);
    expect(names()).toEqual(['a']);
  });

  it('does not grow by failures of calls that had begun before', () => {
    const { clock, names, fail } = routing([channel('a')]);
    for (let failures = 0; failures < 50; failures += 1) fail('a');
    clock.pass(5_000);
    expect(names()).toEqual(['a']);
  });

  it('is not ended by the success of a call that had begun before', () => {
    const { names, fail, succeed } = routing([channel('a')]);
    fail('a', 30_000);
    succeed('a');
    expect(names()).toEqual([]);
  });

  it('lets another probe through when the first one is never heard of', () => {
    const { clock, names, fail } = routing([channel('a')]);
    fail('a', 1_000);
    clock.pass(1_000);
    expect(names()).toEqual(['a']);
    clock.pass(9_999);
    expect(names()).toEqual([]);
    clock.pass(1);
    expect(names()).toEqual(['a']);
  });

  it('begins at once for as long as an upstream asks, ten minutes at most', () => {
    const { clock, names, fail } = routing([channel('a')]);
    fail('a', 2_000);
    fail('a', 500);
    clock.pass(1_999);
    expect(names()).toEqual([]);
    clock.pass(1);
    expect(names()).toEqual(['a']);
    fail('a', 86_400_000);
    clock.pass(599_999);
    expect(names()).toEqual([]);
    clock.pass(1);
    expect(names()).toEqual(['a']);
  });

  it('follows the verdict on an attempt', () => {
    const { router, names } = routing([channel('a')]);
    const [candidate] = router.candidates('m', 'live');
    if (!candidate) throw new Error('no candidate');
    reportVerdict(router, candidate, { cool: 'none', coolMs: null });
    reportVerdict(router, candidate, { cool: 'count', coolMs: null });
    expect(names()).toEqual(['a']);
    reportVerdict(router, candidate, { cool: 'now', coolMs: 1_000 });
    expect(names()).toEqual([]);
  });

  it('is not for a channel that must not', () => {
    const { router, names, fail } = routing([channel('a', { coolsOff: false })]);
    for (let failures = 0; failures < 10; failures += 1) fail('a', 60_000);
    expect(names()).toEqual(['a']);
    expect(router.status()[0]?.state).toBe('ready');
  });
});

describe('the fail-over budget', () => {
  const channels = [channel('a', { coolsOff: false }), channel('b', { priority: 1, coolsOff: false })];

  it('allows a few fail-overs at any time', () => {
    const { names, fail } = routing(channels, {});
    for (let call = 0; call < 10; call += 1) {
      expect(names()).toEqual(['a', 'b']);
      fail('a');
    }
    expect(names()).toEqual(['a']);
  });

  it('allows a tenth of the calls of the last ten seconds', () => {
    const { clock, names, fail } = routing(channels, {});
    for (let call = 0; call < 1_000; call += 1) names();
    for (let call = 0; call < 101; call += 1) fail('a');
    expect(names()).toEqual(['a']);
    clock.pass(10_000);
    expect(names()).toEqual(['a', 'b']);
  });

  it('keeps fail-overs in a total outage to a tenth, within one bucket', () => {
    const { clock, names, fail } = routing(channels, {});
    let failOvers = 0;
    const calls = 100_000;
    for (let call = 0; call < calls; call += 1) {
      const chosen = names();
      fail('a');
      if (chosen.length > 1) failOvers += 1;
      clock.pass(1);
    }
    expect(failOvers / calls).toBeLessThan(0.101);
  });

  it('is not used up by a channel that has no substitute', () => {
    const { names, fail } = routing([...channels, channel('alone', { models: new Map([['x', 'x']]) })], {});
    for (let failure = 0; failure < 100; failure += 1) fail('alone');
    expect(names()).toEqual(['a', 'b']);
  });
});
