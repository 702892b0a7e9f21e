import { onTestFinished } from 'vitest';
import type { UpstreamRequest } from '../../../services/relay/call.ts';
import { channelSettings, type ChannelSettings } from '../../../infra/config/channels.ts';
import { HttpUpstream, type HttpUpstreamOptions } from '../../../infra/upstreams/httpUpstream.ts';
import type { Log } from '../../../services/runtime.ts';
import type { UpstreamExchange } from '../../../services/relay/ports.ts';
import { ScriptedUpstream } from '../../support/scriptedUpstream.ts';
import { silentLog } from '../../support/log.ts';
import { CollectingSink } from './collectingSink.ts';

type ChannelEntry = Parameters<typeof channelSettings>[0];

export interface Started {
  readonly scripted: ScriptedUpstream;
  readonly upstream: HttpUpstream;
  readonly channel: ChannelSettings;
}

const running: UpstreamExchange[] = [];

/** A scripted upstream and an adapter with one channel to it, closed after the test. */
export async function startUpstream(
  channel: Partial<ChannelEntry> = {},
  options: HttpUpstreamOptions = {},
  environment: Readonly<Record<string, string>> = {},
  log: Log = silentLog,
): Promise<Started> {
  const scripted = await ScriptedUpstream.start();
  const settings = channelSettings(
    { name: 'scripted', baseUrl: scripted.baseUrl, models: '*', ...channel },
    environment,
  );
  const upstream = new HttpUpstream([settings], { log }, options);
  onTestFinished(async () => {
    await scripted.close();
    for (const exchange of running.splice(0)) exchange.abort();
    await upstream.close();
  });
  return { scripted, upstream, channel: settings };
}

export function send(
  { upstream, channel }: Pick<Started, 'upstream' | 'channel'>,
  call: Partial<UpstreamRequest> = {},
  totalMs?: number,
  sink = new CollectingSink(),
): { readonly sink: CollectingSink; readonly exchange: UpstreamExchange } {
  const exchange = upstream.send(
    {
      channel: { ...channel, upstreamModel: 'model' },
      request: {
        method: 'POST',
        path: '/chat/completions',
        body: Buffer.from('{"model":"model"}'),
        headers: {},
        ...call,
      },
      ...(totalMs !== undefined && { totalMs }),
    },
    sink,
  );
  running.push(exchange);
  return { sink, exchange };
}
