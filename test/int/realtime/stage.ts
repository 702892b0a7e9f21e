import { afterEach, vi } from 'vitest';
import { ScriptedRealtime, type Peer } from './peers.ts';
import { startRealtime, type HarnessSetting, type RealtimeHarness } from './realtimeHarness.ts';

const stops: (() => Promise<void>)[] = [];

/** Closes after each test what it has started, the last first. */
export function cleanUp(): void {
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });
}

export function stopLater(stop: () => Promise<void>): void {
  stops.push(stop);
}

export async function upstreamOf(admit?: Parameters<typeof ScriptedRealtime.start>[0]): Promise<ScriptedRealtime> {
  const upstream = await ScriptedRealtime.start(admit);
  stopLater(() => upstream.close());
  return upstream;
}

export async function relayTo(
  upstream: { readonly baseUrl: string },
  setting: Partial<HarnessSetting> = {},
): Promise<RealtimeHarness> {
  const harness = await startRealtime({ channels: [{ baseUrl: upstream.baseUrl }], ...setting });
  stopLater(() => harness.close());
  return harness;
}

/** A client and the upstream session that the relay has opened for it. */
export async function session(
  setting: Partial<HarnessSetting> = {},
  query?: string,
): Promise<{ relay: RealtimeHarness; client: Peer; upstream: Peer }> {
  const upstream = await upstreamOf();
  const relay = await relayTo(upstream, setting);
  const client = await relay.client(query);
  return { relay, client, upstream: await upstream.session() };
}

/** Resolves when no session is left, so that everything is settled. */
export async function over({ realtime }: RealtimeHarness): Promise<void> {
  await vi.waitFor(
    () => {
      if (realtime.sessions > 0) throw new Error('a session is open');
    },
    { timeout: 5_000, interval: 5 },
  );
}

/** Time in which something might happen that must not. */
export function aWhile(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
