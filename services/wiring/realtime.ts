import type { ChannelSettings } from '../../infra/config/channels.ts';
import { clientUpgrades } from '../../infra/realtime/clientUpgrades.ts';
import { WebSocketUpstream } from '../../infra/realtime/webSocketUpstream.ts';
import { startSimulatedRealtime } from '../../infra/upstreams/simulated/realtime.ts';
import { Realtime, type RealtimeParts } from '../relay/realtime/realtime.ts';

/** Realtime sessions over the channels of calls; those of test keys at a simulated upstream of their own. */
export async function openRealtime(
  channels: readonly ChannelSettings[],
  simulatedName: string,
  parts: Omit<RealtimeParts, 'upstream'>,
) {
  const simulated = await startSimulatedRealtime();
  const upstream = new WebSocketUpstream(
    channels.map((channel) => (channel.name === simulatedName ? { ...channel, baseUrl: simulated.baseUrl } : channel)),
  );
  const realtime = new Realtime({ ...parts, upstream });
  return {
    upgrades: clientUpgrades(realtime),
    drain: (graceMs: number) => realtime.drain(graceMs),
    close: () => simulated.close(),
  };
}
