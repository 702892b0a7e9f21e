import { identifier, instant } from './envelope.ts';

/** Stands for the account of an event that names none. Not an identifier, so no account has it. */
export const NO_ACCOUNT = '?';

/** What stored bytes say of themselves, whatever their type and version. */
export interface EnvelopeIn {
  readonly accountId: string;
  /** Null when they name no valid instant. */
  readonly occurredAt: string | null;
}

/**
 * Reads stored bytes without knowing their type. Bytes that are no JSON any more are searched for their account.
 * Everybody who sorts events by account asks here, so that all put an event in the same place.
 */
export function envelopeIn(data: string): EnvelopeIn {
  const { accountId, occurredAt } = fieldsOf(data);
  const account = identifier.safeParse(accountId);
  return {
    accountId: account.success ? account.data : NO_ACCOUNT,
    occurredAt: instant.safeParse(occurredAt).data ?? null,
  };
}

/** The account that stored bytes name, NO_ACCOUNT when they name none. */
export function accountIdIn(data: string): string {
  const account = identifier.safeParse(fieldsOf(data).accountId);
  return account.success ? account.data : NO_ACCOUNT;
}

function fieldsOf(data: string): { readonly accountId?: unknown; readonly occurredAt?: unknown } {
  try {
    const body: unknown = JSON.parse(data);
    return typeof body === 'object' && body !== null ? body : {};
  } catch {
    return { accountId: /"accountId":"([^"\\]*)"/.exec(data)?.[1] };
  }
}
