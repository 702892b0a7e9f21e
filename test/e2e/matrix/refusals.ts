import { expect } from 'vitest';
import type { Vendor } from '../../support/vendors/vendor.ts';
import { Asking } from './asking.ts';
import type { DialectClient, Wish } from './clients/client.ts';
import { GATEWAY } from './clients/gateway.ts';
import { TOOL_FEATURES, type Feature } from './features.ts';
import { PIXEL } from './pixel.ts';
import { AGENT_VENDORS, type World } from './world.ts';

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly wish: Partial<Wish>;
}

/** Platforms that read images from addresses and uploads only. */
const WITHOUT_INLINE = new Set(['dify', 'coze']);

/** What is refused, and how; null for what must pass. */
export function refusalOf(client: DialectClient, vendor: Vendor, feature: Feature): Refusal | null {
  const { name, unsupported, lacks } = client;
  const isAgent = AGENT_VENDORS.includes(vendor);
  // The gateway knows agents, not models.
  if (name === GATEWAY && !isAgent) return { status: 404, code: 'not_found', wish: {} };
  if (!isAgent || lacks.has(feature)) return null;
  const streamed = feature.endsWith('streamed');
  // Agents have tools of their own.
  if (TOOL_FEATURES.includes(feature)) return { status: 400, code: unsupported, wish: { streamed, tools: true } };
  if (feature !== 'image' || !WITHOUT_INLINE.has(vendor.protocol)) return null;
  return { status: 400, code: unsupported, wish: { image: PIXEL } };
}

/** Why a cell has no test; null when it has one. An agent tells nobody that it was cut short. */
export function silenceOf({ lacks }: DialectClient, vendor: Vendor, feature: Feature): string | null {
  if (lacks.has(feature)) return 'none';
  return feature === 'length' && AGENT_VENDORS.includes(vendor) ? 'mute' : null;
}

/** Asserts that the client is told so, and that the upstream was not asked. */
export async function provesRefusal(
  world: World,
  client: DialectClient,
  vendor: Vendor,
  refusal: Refusal,
): Promise<string> {
  const asking = new Asking(world, client, vendor, 'text');
  const thrown: unknown = await asking.ask(refusal.wish).then(
    (heard) => Promise.reject(new Error(`heard ${JSON.stringify(heard)}`)),
    (error: unknown) => error,
  );
  expect(client.failureOf(thrown)).toMatchObject({ status: refusal.status, code: refusal.code });
  expect(asking.requestIds()).toEqual([]);
  return String(refusal.status);
}
