import { createHmac } from 'node:crypto';
import type { EmailIndex } from '../../services/accounts/ports.ts';

/** HMAC-SHA-256 of the address, read without case and in one Unicode form: one mailbox, one index. */
export function createEmailIndex(key: Buffer): EmailIndex {
  return {
    of: (email) => createHmac('sha256', key).update(email.normalize('NFKC').toLowerCase()).digest('hex'),
  };
}
