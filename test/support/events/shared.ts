import type { DomainEvent } from '../../../events/codec.ts';
import { deriveId } from '../../../events/ids.ts';

/** Fields to set on an example; the others have plausible values. */
export type Change<E> = Partial<Omit<E, 'type' | 'version'>>;

/** One type of a family. */
export type OfType<E extends DomainEvent, T extends E['type']> = Extract<E, { type: T }>;

export const LIVE_ACCOUNT = 'acct_live1';
export const TEST_ACCOUNT = 'acct_test1';
export const USER = 'user_1';
export const KEY = 'key_1';
export const MODEL = 'gpt-4o-mini';
export const PRICE_VERSION = 'a1'.repeat(32);
export const NOW = '2026-11-20T09:30:00.000Z';
export const PERIOD = '2026-11';

/** A hash-like text that depends on `name`: 64 hexadecimal digits. */
export function exampleHash(name: string): string {
  return `${deriveId('hash', name)}${deriveId('more', name)}`.replaceAll('-', '').padEnd(64, '0');
}

/** A request id that depends on `name`. */
export function requestIdOf(name: string | number): string {
  return deriveId('request', name);
}

export const DEFAULT_REQUEST = requestIdOf('example');

/** The id names everything that tells the example from others, so equal examples have equal ids. */
export function envelope(type: string, change: Change<DomainEvent>, ...identity: readonly (string | number)[]) {
  const accountId = change.accountId ?? LIVE_ACCOUNT;
  const occurredAt = change.occurredAt ?? NOW;
  return {
    eventId: deriveId('example', type, accountId, occurredAt, ...identity),
    occurredAt,
    accountId,
    correlationId: 'example',
    causationId: null,
  };
}
