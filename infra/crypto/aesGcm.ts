import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** AES-256-GCM with a random 96-bit nonce. One key seals few texts here, so nonces cannot meet. */
const CIPHER = 'aes-256-gcm';
export const NONCE_LENGTH = 12;
export const TAG_LENGTH = 16;

export interface Sealed {
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** What was sealed is not what is being opened: another key, another context, or other bytes. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

/** Encrypts bytes; `context` is not hidden, but must be the same when opening, so a sealed text cannot be moved elsewhere. */
export function seal(key: Buffer, plaintext: Buffer, context: string): Sealed {
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_LENGTH }).setAAD(Buffer.from(context));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { nonce, ciphertext, tag: cipher.getAuthTag() };
}

/** The bytes that were sealed. Throws SealBroken. */
export function open(key: Buffer, sealed: Sealed, context: string): Buffer {
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.tag);
    return Buffer.concat([decipher.update(sealed.ciphertext), decipher.final()]);
  } catch (error) {
    throw new SealBroken(`${context}: the seal is broken`, { cause: error });
  }
}
