import { decode } from '../../../events/codec.ts';
import type { EventStore, RecordedEvent } from '../../../events/eventStore.ts';
import { requestStream } from '../../../events/ids.ts';
import type { UsageCorrected, UsageEvent } from '../../../events/usage/usage.events.ts';
import { isInWindow } from '../invoicing/billingWindow.ts';
import type { BillingWindow, UsageFact } from '../ports.ts';
import { METERS } from '../../../events/meters.ts';
import type { SignedUsage } from '../rating/rate.ts';
import { differenceOnFailure, type Difference } from './difference.ts';

const PAGE = 1_000;

/** A usage fact, and the event that states it. */
export interface LoggedFact extends UsageFact {
  readonly eventId: string;
}

type Figures = Pick<UsageCorrected['previous'], 'usage' | 'amountPicos'>;

/**
 * The usage of a billing window, from the log alone: every usage event of the account from the first position to the
 * cutoff. Tells where a request was charged twice, or a correction does not replace what stood before it.
 */
export async function usageInLog(
  store: EventStore,
  window: BillingWindow,
  differences: Difference[],
): Promise<readonly LoggedFact[]> {
  const facts: LoggedFact[] = [];
  const latest = new Map<string, Figures & { readonly eventId: string }>();
  for await (const recorded of usageEvents(store, window)) {
    const where = `event at position ${recorded.position.toString()}`;
    const event = await differenceOnFailure(where, differences, () => decode(recorded));
    if (event?.type !== 'UsageRecorded' && event?.type !== 'UsageCorrected') continue;
    if (event.accountId !== window.accountId) continue;
    if (recorded.stream !== requestStream(event.requestId)) {
      differences.push({ where, expected: requestStream(event.requestId), found: recorded.stream });
    }
    differences.push(...orderOf(event, latest.get(event.requestId)));
    const figures = event.type === 'UsageRecorded' ? event : event.corrected;
    latest.set(event.requestId, { ...figures, eventId: event.eventId });
    if (isInWindow(window, event.occurredAt, recorded.position)) facts.push(...factsOf(event));
  }
  return facts;
}

async function* usageEvents(store: EventStore, { accountId, upTo }: BillingWindow): AsyncIterable<RecordedEvent> {
  const mention = JSON.stringify(accountId);
  for (let after = 0n; after < upTo.cutoff;) {
    const page = await store.readAll({ after, limit: PAGE, categories: ['request'] });
    for (const recorded of page.events) {
      if (recorded.position > upTo.cutoff) return;
      // Most of the log is of other accounts and other types; only what may matter is parsed.
      if (recorded.type.startsWith('Usage') && recorded.data.includes(mention)) yield recorded;
    }
    if (page.position <= after) return;
    after = page.position;
  }
}

function orderOf(event: UsageEvent, before: (Figures & { readonly eventId: string }) | undefined): Difference[] {
  const where = `usage event ${event.eventId}`;
  if (event.type === 'UsageRecorded') {
    return before ? [{ where, expected: 'one UsageRecorded per request', found: `another, ${before.eventId}` }] : [];
  }
  if (!before) return [{ where, expected: 'a figure to correct', found: 'nothing' }];
  const differences: Difference[] = [];
  if (event.correctsEventId !== before.eventId) {
    differences.push({ where: `${where} correctsEventId`, expected: before.eventId, found: event.correctsEventId });
  }
  if (figuresText(event.previous) !== figuresText(before)) {
    differences.push({ where: `${where} previous`, expected: figuresText(before), found: figuresText(event.previous) });
  }
  return differences;
}

function figuresText({ usage, amountPicos }: Figures): string {
  const quantities = METERS.filter((meter) => usage[meter]).map((meter) => `${meter} ${String(usage[meter])}`);
  return `${quantities.join(', ')}: ${amountPicos} picos`;
}

function factsOf(event: UsageEvent): LoggedFact[] {
  const { eventId, requestId, keyId, model, mode, priceVersion, currency } = event;
  const common = { eventId, requestId, keyId, model, mode, priceVersion, currency };
  if (event.type === 'UsageRecorded') {
    return [{ ...common, usage: event.usage, amount: BigInt(event.amountPicos) }];
  }
  const { previous, corrected } = event;
  return [
    { ...common, usage: negative(previous.usage), amount: -BigInt(previous.amountPicos) },
    { ...common, usage: corrected.usage, amount: BigInt(corrected.amountPicos) },
  ];
}

function negative(usage: SignedUsage): SignedUsage {
  return Object.fromEntries(Object.entries(usage).map(([meter, quantity]) => [meter, 0 - quantity]));
}
