import type { Metrics } from '../../infra/telemetry/metrics.ts';
import { Closing, type Core } from './core.ts';
import { publishFirstPrices } from './firstPrices.ts';
import { expireKeysNowAndThen } from './keyExpiry.ts';
import { openManagement } from './management.ts';
import type { ReadModels } from './readModels.ts';
import { openRelay } from './relay.ts';
import { openSharedState } from './sharedState.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What clients talk to: the relay, and the management of accounts and keys. */
export async function openFront(core: Core, readModels: ReadModels, metrics: Metrics, environment: Environment) {
  const closing = new Closing();
  try {
    await publishFirstPrices(core);
    const shared = await openSharedState(core);
    closing.add(() => shared.close());
    const relay = await openRelay(core, shared.limiter, metrics, environment);
    closing.add(() => relay.close());
    const management = await openManagement({ ...core, store: shared.announcing }, async (position) => {
      await Promise.all([readModels.caughtUp(position, ['keys', 'quota']), relay.keyFollower.caughtUp(position)]);
    });
    closing.add(expireKeysNowAndThen(core, (now) => management.keys.expireDueKeys(now)));
    metrics.gauge('journal_pending', 'Settlements waiting in the local journal', () => relay.settlements.pending);
    metrics.gauge('journal_bytes', 'Size of the local journal', () => relay.settlements.bytes);
    metrics.gauge(
      'journal_quarantined',
      'Settlements that the store will never take',
      () => relay.settlements.quarantined,
    );
    metrics.gauge('holds_waiting', 'Calls waiting for their hold', () => relay.holds.waiting);
    metrics.gauge('holds_open_slots', 'Concurrency slots taken', () => relay.holds.openSlots);
    metrics.gauge('reaper_settled', 'Holds settled by the reaper', () => relay.reaper.counts.reaped);
    metrics.gauge('followed_position', 'Log position of the key index', () => Number(relay.keyFollower.position));
    return {
      relay,
      management,
      api: {
        routes: [...relay.routes, ...management.routes],
        relayRoutes: relay.relayRoutes,
        upgrades: relay.upgrades,
        authenticateUser: management.authenticateUser,
        isAdmin: management.isAdmin,
        authenticateKey: relay.admission.authenticate.bind(relay.admission),
      },
      problems(): readonly string[] {
        const problems: string[] = [];
        if (relay.settlements.nearFull) problems.push('the settlement journal is nearly full');
        if (!relay.holds.connected) problems.push('holds cannot be taken');
        return problems;
      },
      close: () => closing.run(),
    };
  } catch (error) {
    await closing.run();
    throw error;
  }
}
export type Front = Awaited<ReturnType<typeof openFront>>;
