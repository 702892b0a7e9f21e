import { encode, type DomainEvent } from '../../../events/codec.ts';
import type { EventStore } from '../../../events/eventStore.ts';
import {
  accountLimitsSet,
  accountOpened,
  apiKeyChanged,
  apiKeyIssued,
  apiKeyRotated,
  appendAll,
  invoiceDrafted,
  invoiceFinalized,
  invoiceNumberAllocated,
  periodClosed,
  periodOpened,
  requestAborted,
  requestAccepted,
  requestCompleted,
  requestFailed,
  requestIdOf,
  streamOf,
  usageCorrected,
  usageRecorded,
  userRegistered,
} from '../../support/events.ts';
import type { SeededRandom } from '../../support/seededRandom.ts';

export interface HistorySize {
  readonly accounts: number;
  readonly callsEach: number;
  /** Of the first account, `acct_<first>`, and its invoice; other histories have others. */
  readonly first?: number;
}

/** The lives of some accounts, so mixed that each keeps its order: something for every table of every projection. */
export function mixedHistory(random: SeededRandom, { accounts, callsEach, first = 1 }: HistorySize): DomainEvent[] {
  const mixed: DomainEvent[] = [];
  let open = Array.from({ length: accounts }, (_, account) => lifeOf(random, first + account, callsEach));
  while (open.length > 0) {
    mixed.push(...(open[random.between(0, open.length - 1)]?.splice(0, random.between(1, 4)) ?? []));
    open = open.filter((life) => life.length > 0);
  }
  return mixed;
}

function lifeOf(random: SeededRandom, number: number, calls: number): DomainEvent[] {
  const accountId = `acct_${String(number)}`;
  const keyId = `key_${String(number)}`;
  const userId = `user_${String(number)}`;
  return [
    userRegistered({ userId, accountId, accounts: { live: accountId, test: `${accountId}_test` } }),
    accountOpened({ accountId, userId }),
    accountOpened({ accountId: `${accountId}_test`, userId, mode: 'test' }),
    apiKeyIssued({ accountId, keyId, userId }),
    periodOpened({ accountId }),
    ...Array.from({ length: calls }, (_, call) => callOf(random, accountId, keyId, call)).flat(),
    accountLimitsSet({ accountId }),
    apiKeyRotated({ accountId, keyId }),
    periodClosed({ accountId }),
    invoiceDrafted({ accountId }),
    invoiceNumberAllocated({ accountId, sequence: number }),
    invoiceFinalized({ accountId, number: `INV-2026-${String(number).padStart(6, '0')}` }),
    apiKeyChanged('ApiKeyRevoked', { accountId, keyId }),
  ];
}

function callOf(random: SeededRandom, accountId: string, keyId: string, call: number): DomainEvent[] {
  const requestId = requestIdOf(`${accountId} ${String(call)}`);
  const charged = {
    requestId,
    accountId,
    keyId,
    occurredAt: `2026-11-20T${String(8 + (call % 4)).padStart(2, '0')}:30:00.000Z`,
  };
  const tokens = random.between(0, 5_000);
  const end = random.weighted({ completed: 6, failed: 1, aborted: 1, none: 1 });
  const ends = { completed: requestCompleted, failed: requestFailed, aborted: requestAborted };
  const { keyId: _, ...ended } = charged;
  return [
    requestAccepted(charged),
    usageRecorded({ ...charged, usage: { outputText: tokens }, amountPicos: String(tokens * 600_000) }),
    ...(end === 'none' ? [] : [ends[end](ended)]),
    ...(random.fraction() < 0.2 ? [usageCorrected(charged)] : []),
  ];
}

/** Appends usage with bytes that its schema refuses: poison for the projections that read it. */
export async function appendPoison(store: EventStore, accountId: string): Promise<bigint> {
  const requestId = requestIdOf(`poison of ${accountId}`);
  await appendAll(store, [requestAccepted({ requestId, accountId })]);
  const event = usageRecorded({ requestId, accountId });
  const { data, ...encoded } = encode(event);
  const poison = { ...encoded, data: data.replace('"amountPicos":"', '"amountPicos":"x') };
  const result = await store.append({ stream: streamOf(event), expected: 0n, events: [poison] });
  if (result.outcome !== 'appended') throw new Error(result.outcome);
  return result.position;
}
