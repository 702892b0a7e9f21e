import { createHmac, timingSafeEqual } from 'node:crypto';

const EXPIRES = /^\d{1,12}$/;
const SIGNATURE = /^[0-9a-f]{64}$/;

/** An address that lets whoever has it read one file until `expires` (epoch seconds). */
export function signedLink(key: Buffer, publicUrl: string, fileId: string, expires: number): string {
  const query = new URLSearchParams({ expires: String(expires), signature: signatureOf(key, fileId, String(expires)) });
  return `${publicUrl.replace(/\/+$/, '')}/files/${fileId}?${query.toString()}`;
}

/** Whether we have signed this address and it has not expired. Takes as long for a wrong signature as for a right one. */
export function isSigned(key: Buffer, fileId: string, query: URLSearchParams, nowMs: number): boolean {
  const expires = query.get('expires') ?? '';
  const signature = query.get('signature') ?? '';
  if (!EXPIRES.test(expires) || !SIGNATURE.test(signature)) return false;
  const own = Buffer.from(signatureOf(key, fileId, expires), 'hex');
  return timingSafeEqual(own, Buffer.from(signature, 'hex')) && nowMs < Number(expires) * 1_000;
}

/** Ids have no line feed, so no two pairs sign alike. */
function signatureOf(key: Buffer, fileId: string, expires: string): string {
  return createHmac('sha256', key).update(`${fileId}\n${expires}`).digest('hex');
}
