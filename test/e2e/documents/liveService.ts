import { rm } from 'node:fs/promises';
import { channelsFile, type ChannelEntries } from '../../support/hostedService.ts';
import { ScriptedUpstream } from '../../support/scriptedUpstream.ts';
import { freshDirectory } from '../../support/serviceProcess.ts';
import { startBookedService, type BookedService } from '../clients/bookedService.ts';

/** A service with live channels, all of them to one provider whose answers a test writes. */
export interface LiveService {
  readonly service: BookedService;
  readonly provider: ScriptedUpstream;
  dispose(): Promise<void>;
}

export async function startLiveService(channels: (provider: ScriptedUpstream) => ChannelEntries): Promise<LiveService> {
  const [provider, directory] = await Promise.all([ScriptedUpstream.start(), freshDirectory()]);
  const service = await startBookedService({ CHANNELS_FILE: await channelsFile(directory, channels(provider)) });
  return {
    service,
    provider,
    async dispose() {
      await service.dispose();
      await provider.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
