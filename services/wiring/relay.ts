import { join } from 'node:path';
import { channelSettings, loadChannels, type ChannelSettings } from '../../infra/config/channels.ts';
import { JournaledSettlements } from '../../infra/journal/journaledSettlements.ts';
import { PostgresHoldLedger } from '../../infra/postgres/holdLedger.ts';
import { PostgresOrphanedHolds } from '../../infra/postgres/orphanedHolds.ts';
import type { Metrics } from '../../infra/telemetry/metrics.ts';
import { WorkerTokenEstimator } from '../../infra/tokens/workerTokenEstimator.ts';
import { HttpUpstream } from '../../infra/upstreams/httpUpstream.ts';
import { startSimulatedUpstream } from '../../infra/upstreams/simulated/simulatedUpstream.ts';
import { PriceCatalogue } from '../billing/pricebook/priceCatalogue.ts';
import { followEvents } from '../keys/follow.ts';
import { KEY_INDEX_CATEGORIES, KeyIndex } from '../keys/keyIndex.ts';
import { Admission } from '../relay/admission.ts';
import { Intake } from '../relay/http/intake.ts';
import { Relay } from '../relay/relay.ts';
import { modelRoutes } from '../relay/http/modelRoutes.ts';
import type { RateLimiter } from '../relay/ports.ts';
import { ChannelRouter } from '../relay/routing/router.ts';
import { Reaper } from '../relay/settlement/reaper.ts';
import { StoredOutcomes } from '../relay/storedOutcomes.ts';
import { Closing, type Core } from './core.ts';
import { openOperations } from './operations.ts';
import { openRealtime } from './realtime.ts';

/** A hold outlives the longest call by this much, and by what taking it may last: time to count, settle and write down. */
const HOLD_MARGIN_MS = 60_000;
const KEEP_ALIVE_MS = 12_000;
/** Bodies that are not admitted yet: 25 of the largest, or 13 000 prompts of 20 kB, which is more than may be in flight. */
const INTAKE_BYTES = 268_435_456;
/** The channel of test keys. */
const SIMULATED = 'simulated';

/**
 * Everything between a client's socket and an upstream's. Start it after the read models exist: holds read quotas there.
 * `close` expects that no call is running.
 */
export async function openRelay(
  core: Core,
  limiter: RateLimiter,
  metrics: Metrics,
  environment: Readonly<Record<string, string | undefined>>,
) {
  const { config, databaseUrl, pool, runtime, store } = core;
  const closing = new Closing();
  try {
    const following = new AbortController();
    const keys = new KeyIndex();
    const prices = new PriceCatalogue();
    const options = { signal: following.signal, runtime };
    const [keyFollower, priceFollower] = await Promise.all([
      followEvents(store, KEY_INDEX_CATEGORIES, (event) => keys.apply(event), options),
      followEvents(store, ['pricebook'], (event) => prices.apply(event), options),
    ]);
    closing.add(async () => {
      following.abort();
      await Promise.all([keyFollower.stopped, priceFollower.stopped]);
    });

    const simulated = await startSimulatedUpstream({ latencyMs: config.SIMULATED_LATENCY_MS });
    closing.add(() => simulated.close());
    const channels = allChannels(config.CHANNELS_FILE, simulated.baseUrl, environment);
    const router = new ChannelRouter(channels, runtime);
    const upstream = new HttpUpstream(channels, runtime);
    closing.add(() => upstream.close());
    const estimator = new WorkerTokenEstimator(runtime);
    closing.add(() => estimator.close());

    const settlements = await JournaledSettlements.open({
      directory: join(config.DATA_DIR, 'journal'),
      store,
      runtime,
      maxBytes: config.JOURNAL_MAX_BYTES,
    });
    closing.add(() => settlements.close());
    const holds = await PostgresHoldLedger.open({
      connectionString: databaseUrl,
      runtime,
      owner: runtime.ids.uuid(),
      timeoutMs: config.HOLD_TIMEOUT_MS,
    });
    closing.add(() => holds.close());
    const reaper = new Reaper({
      holds: new PostgresOrphanedHolds(pool),
      store,
      runtime,
      leaseMs: config.OWNER_LEASE_MS,
      intervalMs: config.REAPER_INTERVAL_MS,
      waitsInJournal: (stream) => settlements.holds(stream),
    });
    reaper.start();
    closing.add(() => reaper.stop());

    const holdMs = config.HOLD_TIMEOUT_MS + config.CALL_TOTAL_MS + HOLD_MARGIN_MS;
    const admitting = { keys, prices, router, limiter, holds, settlements, runtime, holdMs };
    const admission = new Admission(admitting);
    const intake = new Intake(INTAKE_BYTES, config.MAX_BODY_BYTES);
    const limits = {
      maxBufferBytes: config.MAX_STREAM_BUFFER_BYTES,
      stallMs: config.CLIENT_STALL_MS,
      keepAliveMs: KEEP_ALIVE_MS,
      maxBodyBytes: config.MAX_BODY_BYTES,
      maxInFlight: config.MAX_IN_FLIGHT,
    };
    const relay = new Relay({
      admission,
      intake,
      upstream,
      router,
      holds,
      settlements,
      estimator,
      outcomes: new StoredOutcomes(store),
      metrics: metrics.relay,
      runtime,
      commitAfterMs: KEEP_ALIVE_MS,
      totalMs: config.CALL_TOTAL_MS,
      limits,
    });
    const operations = await openOperations(core, {
      ...admitting,
      relay,
      admission,
      estimator,
      upstream,
      metrics: metrics.relay,
      limits,
    });
    closing.add(() => operations.close());
    const realtime = await openRealtime(channels, SIMULATED, {
      ...admitting,
      intake,
      estimator,
      metrics: metrics.relay,
      allowedOrigins: config.REALTIME_ORIGINS?.split(',') ?? [],
      maxSessions: config.MAX_IN_FLIGHT,
    });
    closing.add(() => realtime.close());
    return {
      relay,
      admission,
      settlements,
      holds,
      reaper,
      router,
      simulated,
      keyFollower,
      upgrades: realtime.upgrades,
      /** Takes no new calls and sessions, and lets running ones end within the grace time. */
      async drain(graceMs: number): Promise<void> {
        await Promise.all([relay.drain(graceMs), realtime.drain(graceMs)]);
      },
      relayRoutes: operations.relayRoutes,
      routes: [...modelRoutes(prices, router, runtime.clock), ...operations.routes],
      close: () => closing.run(),
    };
  } catch (error) {
    await closing.run();
    throw error;
  }
}
export type RelayService = Awaited<ReturnType<typeof openRelay>>;

/** The operator's channels for live keys, and the simulated upstream for test keys. */
function allChannels(
  file: string | undefined,
  simulatedUrl: string,
  environment: Readonly<Record<string, string | undefined>>,
): readonly ChannelSettings[] {
  const simulated = channelSettings({
    name: SIMULATED,
    models: '*',
    baseUrl: simulatedUrl,
    mode: 'test',
    coolsOff: false,
    maxConnections: 10_000,
    maxQueued: 10_000,
  });
  return [...(file === undefined ? [] : loadChannels(file, environment)), simulated];
}
