import { hash } from 'node:crypto';

/** Our namespace for derived ids (RFC 9562 version 5). Never change it: retries recognise each other by these ids. */
const NAMESPACE = Buffer.from('5b7e8d0c4f1a4c63b0d9a2e6f7139c58', 'hex');
const VARIANT = '89ab';

/** Names of ids on the hot path fit here, so that deriving one allocates no buffer. */
const scratch = Buffer.alloc(NAMESPACE.length + 512);
NAMESPACE.copy(scratch);

/**
 * The uuid v5 of a name in our namespace. The same parts always give the same id, so an append repeated after an
 * unknown outcome is recognised. Parts are joined by `/` and must not contain it.
 */
export function deriveId(...parts: readonly (string | number)[]): string {
  const hex = hash('sha1', named(parts.join('/')), 'hex');
  const variant = VARIANT.charAt(Number.parseInt(hex.charAt(16), 16) & 0x3);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function named(name: string): Buffer {
  if (name.length * 3 > scratch.length - NAMESPACE.length) return Buffer.concat([NAMESPACE, Buffer.from(name)]);
  return scratch.subarray(0, NAMESPACE.length + scratch.write(name, NAMESPACE.length));
}

/** Stream names: `category-id`. The category has no hyphen, so it is what stands before the first one. */
export function streamCategory(stream: string): string {
  const hyphen = stream.indexOf('-');
  return hyphen < 0 ? stream : stream.slice(0, hyphen);
}

export const requestStream = (requestId: string) => `request-${requestId}`;
export const keyStream = (keyId: string) => `key-${keyId}`;
export const accountStream = (accountId: string) => `account-${accountId}`;
export const userStream = (userId: string) => `user-${userId}`;
export const priceBookStream = (version: string) => `pricebook-${version}`;
/** Billing periods of one account, in order. */
export const billingStream = (accountId: string) => `billing-${accountId}`;
export const invoiceStream = (invoiceId: string) => `invoice-${invoiceId}`;
/** Invoice numbers of one series; the revision of an allocation is its number minus one, so there can be no gap. */
export const invoiceSeriesStream = (series: string) => `invoiceseries-${series}`;

/** One invoice per account, period and currency, whatever is retried. */
export const invoiceIdOf = (accountId: string, period: string, currency: string) =>
  deriveId('invoice', accountId, period, currency);
