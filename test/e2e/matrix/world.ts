import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Developer } from '../../support/developer.ts';
import { HostedService } from '../../support/hostedService.ts';
import { freshDirectory } from '../../support/serviceProcess.ts';
import { cozeVendor, difyVendor, fastgptVendor } from '../../support/vendors/agentVendors.ts';
import { claudeVendor } from '../../support/vendors/claudeVendor.ts';
import { geminiVendor } from '../../support/vendors/geminiVendor.ts';
import { ollamaVendor } from '../../support/vendors/ollamaVendor.ts';
import { openaiVendor } from '../../support/vendors/openaiVendor.ts';
import type { Vendor } from '../../support/vendors/vendor.ts';
import { VendorServer } from '../../support/vendors/vendorServer.ts';
import { AIMOCK_PROTOCOLS, Aimocks } from './aimocks.ts';
import type { Target } from './clients/client.ts';
import { priceBook } from './prices.ts';

export const MODEL_VENDORS: readonly Vendor[] = [openaiVendor, claudeVendor, geminiVendor, ollamaVendor];
export const AGENT_VENDORS: readonly Vendor[] = [fastgptVendor, difyVendor, cozeVendor];
export const VENDORS: readonly Vendor[] = [...MODEL_VENDORS, ...AGENT_VENDORS];

/** The model that leads to a vendor's fixtures. The gateway knows agents by their own names. */
export function modelOf({ protocol }: Vendor): string {
  return AGENT_VENDORS.some((agent) => agent.protocol === protocol) ? protocol : `fixture-${protocol}`;
}

/** The model that leads to aimock. */
export function aimockModelOf(protocol: string): string {
  return `aimock-${protocol}`;
}

/** One service with a channel to every vendor, for the whole matrix. */
export interface World {
  readonly hosted: HostedService;
  readonly server: VendorServer;
  readonly aimocks: Aimocks;
  readonly target: Target;
  close(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const [server, aimocks, directory] = await Promise.all([
    VendorServer.start(VENDORS),
    Aimocks.start(),
    freshDirectory(),
  ]);
  const prices = path.join(directory, 'prices.json');
  const models = [...VENDORS.map(modelOf), ...AIMOCK_PROTOCOLS.map(aimockModelOf)];
  await writeFile(prices, JSON.stringify(priceBook(models)));
  const hosted = await HostedService.start(channels(server, aimocks), {
    PRICE_FILE: prices,
    DEFAULT_CONCURRENCY: '1000',
    DEFAULT_TOKENS_PER_MONTH: '100000000',
    DEFAULT_REQUESTS_PER_MINUTE: '100000',
  });
  const developer = await Developer.register(hosted.baseUrl);
  const { key } = await developer.issueKey({ mode: 'live' });
  return {
    hosted,
    server,
    aimocks,
    target: { baseUrl: hosted.baseUrl, key },
    async close() {
      await hosted.dispose();
      await Promise.all([server.close(), aimocks.stop(), rm(directory, { recursive: true, force: true })]);
    },
  };
}

function channels(server: VendorServer, aimocks: Aimocks) {
  return [
    ...VENDORS.map((vendor) => ({
      name: `fixture-${vendor.protocol}`,
      protocol: vendor.protocol,
      baseUrl: server.baseUrl(vendor),
      models: { [modelOf(vendor)]: vendor.model },
      coolsOff: false,
    })),
    ...AIMOCK_PROTOCOLS.map((protocol) => ({
      name: `aimock-${protocol}`,
      protocol,
      baseUrl: aimocks.baseUrl(protocol),
      models: [aimockModelOf(protocol)],
      coolsOff: false,
    })),
  ];
}
