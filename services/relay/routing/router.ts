import type { Clock, Random } from '../../runtime.ts';
import type { Channel, Router } from '../ports.ts';
import type { Mode } from '../../../events/envelope.ts';
import { ChannelHealth, DEFAULT_COOLING, type CoolingOptions, type HealthState } from './channelHealth.ts';
import type { Verdict } from './classify.ts';
import { DEFAULT_FAIL_OVER_BUDGET, FailOverBudget, type FailOverBudgetOptions } from './failOverBudget.ts';

/** What routing needs to know of a channel. */
export interface RoutedChannel extends Omit<Channel, 'upstreamModel'> {
  readonly mode: Mode;
  /** The client's model name → the provider's. Null: every model, under its own name. */
  readonly models: ReadonlyMap<string, string> | null;
  /** Lower is tried first. */
  readonly priority: number;
  /** Share of the calls within its priority. */
  readonly weight: number;
  /** False for the simulated upstream: a client who asks it for failures must not take it from others. */
  readonly coolsOff: boolean;
}

export interface RouterOptions {
  /** Channels that one call may try. */
  readonly maxAttempts?: number;
  readonly cooling?: Partial<CoolingOptions>;
  readonly failOverBudget?: Partial<FailOverBudgetOptions>;
}

export interface ChannelStatus {
  readonly name: string;
  readonly mode: Mode;
  readonly state: HealthState;
  readonly coolsForMs: number;
}

interface Entry {
  readonly channel: Channel;
  readonly settings: RoutedChannel;
  readonly health: ChannelHealth;
}

/**
 * Chooses channels by priority, then at random by weight, leaving out those that cool off. A half-open channel is in
 * the answer of one call at a time. When too many calls have failed over lately, an answer holds one channel only.
 */
export class ChannelRouter implements Router {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #maxAttempts: number;
  readonly #budget: FailOverBudget;
  readonly #byName: ReadonlyMap<string, Entry>;
  readonly #byModel: Readonly<Record<Mode, ReadonlyMap<string, readonly Entry[]>>>;
  readonly #servingAll: Readonly<Record<Mode, readonly Entry[]>>;
  /** Channels that share a model with another one: only their failures lead to fail-overs. */
  readonly #replaceable: ReadonlySet<string>;

  /** Channel names must be unique. */
  constructor(
    channels: readonly RoutedChannel[],
    runtime: { readonly clock: Clock; readonly random: Random },
    options: RouterOptions = {},
  ) {
    this.#clock = runtime.clock;
    this.#random = runtime.random;
    this.#maxAttempts = options.maxAttempts ?? 3;
    this.#budget = new FailOverBudget({ ...DEFAULT_FAIL_OVER_BUDGET, ...options.failOverBudget });
    const cooling = { ...DEFAULT_COOLING, ...options.cooling };
    const entries = channels
      .map((settings) => ({ settings, health: new ChannelHealth(cooling), channel: asChannel(settings, '') }))
      .sort((left, right) => left.settings.priority - right.settings.priority);
    this.#byName = new Map(entries.map((entry) => [entry.settings.name, entry]));
    this.#servingAll = { live: servingAll(entries, 'live'), test: servingAll(entries, 'test') };
    this.#byModel = { live: byModel(entries, 'live'), test: byModel(entries, 'test') };
    this.#replaceable = replaceable([
      ...this.#byModel.live.values(),
      ...this.#byModel.test.values(),
      this.#servingAll.live,
      this.#servingAll.test,
    ]);
  }

  candidates(model: string, mode: Mode): readonly Channel[] {
    const now = this.#clock.monotonic();
    this.#budget.countCall(now);
    const entries = this.#entriesOf(model, mode);
    const most = entries.length > 1 && this.#budget.exhausted(now) ? 1 : this.#maxAttempts;
    const chosen: Channel[] = [];
    for (const entry of this.#inOrder(entries)) {
      if (chosen.length === most) break;
      if (!entry.settings.coolsOff || entry.health.admit(now)) chosen.push(entry.channel);
    }
    return chosen;
  }

  models(mode: Mode): ReadonlySet<string> | null {
    return this.#servingAll[mode].length > 0 ? null : new Set(this.#byModel[mode].keys());
  }

  succeeded(channel: Channel): void {
    this.#byName.get(channel.name)?.health.succeeded(this.#clock.monotonic());
  }

  failed(channel: Channel, retryAfterMs: number | null): void {
    const now = this.#clock.monotonic();
    if (this.#replaceable.has(channel.name)) this.#budget.countFailOver(now);
    this.#byName.get(channel.name)?.health.failed(now, retryAfterMs);
  }

  /** How every channel fares, for metrics and operators. */
  status(): readonly ChannelStatus[] {
    const now = this.#clock.monotonic();
    return [...this.#byName.values()].map(({ settings: { name, mode, coolsOff }, health }) => ({
      name,
      mode,
      state: coolsOff ? health.state(now) : 'ready',
      coolsForMs: coolsOff ? health.coolsForMs(now) : 0,
    }));
  }

  #entriesOf(model: string, mode: Mode): readonly Entry[] {
    const known = this.#byModel[mode].get(model);
    if (known) return known;
    return this.#servingAll[mode].map((entry) => ({ ...entry, channel: asChannel(entry.settings, model) }));
  }

  /** Each priority in turn, shuffled by weight. `entries` are sorted by priority. */
  *#inOrder(entries: readonly Entry[]): Iterable<Entry> {
    for (let from = 0; from < entries.length;) {
      const priority = entries[from]?.settings.priority;
      let to = from + 1;
      while (to < entries.length && entries[to]?.settings.priority === priority) to += 1;
      if (to === from + 1) yield* entries.slice(from, to);
      else yield* this.#shuffled(entries.slice(from, to));
      from = to;
    }
  }

  /** Sorting by −ln(u) ÷ weight draws without replacement in proportion to the weights (Efraimidis and Spirakis, 2006). */
  #shuffled(tier: readonly Entry[]): Entry[] {
    return tier
      .map((entry) => ({ entry, key: -Math.log(1 - this.#random.fraction()) / entry.settings.weight }))
      .sort((left, right) => left.key - right.key)
      .map(({ entry }) => entry);
  }
}

/** Tells the router what a verdict means for the channel. */
export function reportVerdict(router: Router, channel: Channel, verdict: Pick<Verdict, 'cool' | 'coolMs'>): void {
  if (verdict.cool !== 'none') router.failed(channel, verdict.cool === 'now' ? verdict.coolMs : null);
}

function asChannel(settings: RoutedChannel, upstreamModel: string): Channel {
  const { name, protocol, quirks, clientGone, drainMaxMs, timeouts, cost } = settings;
  return { name, protocol, upstreamModel, quirks, clientGone, drainMaxMs, timeouts, cost };
}

function servingAll(entries: readonly Entry[], mode: Mode): readonly Entry[] {
  return entries.filter(({ settings }) => settings.mode === mode && settings.models === null);
}

/** For each model that is named somewhere: the channels that name it and those that serve every model. */
function byModel(entries: readonly Entry[], mode: Mode): ReadonlyMap<string, readonly Entry[]> {
  const ofMode = entries.filter(({ settings }) => settings.mode === mode);
  const models = new Set(ofMode.flatMap(({ settings }) => [...(settings.models?.keys() ?? [])]));
  const serving = (model: string) =>
    ofMode.flatMap((entry) => {
      const upstreamModel = entry.settings.models === null ? model : entry.settings.models.get(model);
      return upstreamModel === undefined ? [] : [{ ...entry, channel: asChannel(entry.settings, upstreamModel) }];
    });
  return new Map([...models].map((model) => [model, serving(model)]));
}

function replaceable(routes: readonly (readonly Entry[])[]): ReadonlySet<string> {
  const shared = routes.filter((route) => route.length > 1).flat();
  return new Set(shared.map(({ settings }) => settings.name));
}
