import type { z } from 'zod';
import { accountEvent, type AccountEvent } from './account/account.events.ts';
import { invoiceEvent, type InvoiceEvent } from './invoice/invoice.events.ts';
import { keyEvent, type KeyEvent } from './key/key.events.ts';
import { priceBookEvent, type PriceBookPublished } from './pricebook/pricebook.events.ts';
import { priceBookPublishedV1toV2 } from './pricebook/pricebook.upcasters.ts';
import { quotaEvent, type QuotaEvent } from './quota/quota.events.ts';
import { requestEvent, type RequestEvent } from './request/request.events.ts';
import type { Upcaster } from './upcaster.ts';
import { usageEvent, type UsageEvent } from './usage/usage.events.ts';
import { usageRecordedV1toV2 } from './usage/usage.upcasters.ts';

/** Every event of the product, newest versions. */
export type DomainEvent =
  RequestEvent | UsageEvent | KeyEvent | AccountEvent | PriceBookPublished | QuotaEvent | InvoiceEvent;

/** An event as a store keeps it. `data` is the JSON text of the whole event, and these bytes are what the audit chain hashes. */
export interface EncodedEvent {
  readonly eventId: string;
  readonly type: string;
  readonly version: number;
  readonly data: string;
}

/** Stored bytes that are not a valid event of their type and version. */
export class MalformedEvent extends Error {
  override readonly name = 'MalformedEvent';
}

const newest = new Map<string, { version: number; schema: z.ZodType<DomainEvent> }>();
for (const family of [requestEvent, usageEvent, keyEvent, accountEvent, priceBookEvent, quotaEvent, invoiceEvent]) {
  for (const schema of family.options) {
    newest.set(schema.shape.type.value, { version: schema.shape.version.value, schema });
  }
}

const upcasters = new Map<string, Upcaster>();
for (const step of [usageRecordedV1toV2, priceBookPublishedV1toV2]) {
  upcasters.set(`${step.type}@${String(step.from.shape.version.value)}`, step);
}

/** The stored form of an event. The caller built a typed event, so nothing is parsed here. */
export function encode(event: DomainEvent): EncodedEvent {
  return { eventId: event.eventId, type: event.type, version: event.version, data: JSON.stringify(event) };
}

/**
 * The event in its newest version: parsed, upcast step by step, parsed again. Null when the type is unknown to this
 * program, which a reader of many streams skips. Throws MalformedEvent when the type is known and the bytes are not of it.
 */
export function decode(stored: Pick<EncodedEvent, 'type' | 'version' | 'data'>): DomainEvent | null {
  const known = newest.get(stored.type);
  if (!known) return null;
  try {
    let body: unknown = JSON.parse(stored.data);
    let version = stored.version;
    while (version < known.version) {
      const step = upcasters.get(`${stored.type}@${String(version)}`);
      if (!step) throw new MalformedEvent(`no upcaster for ${stored.type} version ${String(version)}`);
      body = step.upcast(body);
      version += 1;
    }
    return known.schema.parse(body);
  } catch (error) {
    if (error instanceof MalformedEvent) throw error;
    throw new MalformedEvent(`${stored.type} version ${String(stored.version)} does not parse`, { cause: error });
  }
}
