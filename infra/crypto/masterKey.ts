import { hkdfSync } from 'node:crypto';

const KEY_LENGTH = 32;

/** Keys that follow from the master key (HKDF-SHA-256), one per purpose, so that no key serves two. */
export interface DerivedKeys {
  /** Wraps subject keys (AES-256-GCM). */
  readonly subjectKeyWrap: Buffer;
  /** Indexes e-mail addresses (HMAC-SHA-256). */
  readonly emailIndex: Buffer;
  /** Seals content that clients asked to have stored (AES-256-GCM). */
  readonly content: Buffer;
  /** Signs addresses of files (HMAC-SHA-256). */
  readonly fileLinks: Buffer;
}

/** Throws RangeError unless the master key is 32 bytes. The labels never change: what they sealed must open again. */
export function deriveKeys(masterKey: Buffer): DerivedKeys {
  if (masterKey.length !== KEY_LENGTH) throw new RangeError('the master key must be 32 bytes');
  const derive = (label: string) => Buffer.from(hkdfSync('sha256', masterKey, '', label, KEY_LENGTH));
  return {
    subjectKeyWrap: derive('tallystick/v1/subject-key-wrap'),
    emailIndex: derive('tallystick/v1/email-index'),
    content: derive('tallystick/v1/content'),
    fileLinks: derive('tallystick/v1/file-links'),
  };
}
