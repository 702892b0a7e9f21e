import { randomBytes } from 'node:crypto';
import type { PersonalData, SubjectKeyStore } from '../../services/accounts/ports.ts';
import { NONCE_LENGTH, open, seal, SealBroken, TAG_LENGTH, type Sealed } from './aesGcm.ts';

const SUBJECT_KEY_LENGTH = 32;

/** Seals as `v1.<nonce>.<ciphertext>.<tag>`, base64url. Subject keys are stored wrapped by `wrapKey`, bound to their subject. */
export function createPersonalData(wrapKey: Buffer, keys: SubjectKeyStore): PersonalData {
  const unwrap = (subjectId: string, wrapped: Buffer) => open(wrapKey, fromBytes(wrapped), wrapContext(subjectId));
  return {
    async seal(subjectId, field, text) {
      const fresh = seal(wrapKey, randomBytes(SUBJECT_KEY_LENGTH), wrapContext(subjectId));
      const key = unwrap(subjectId, await keys.obtain(subjectId, toBytes(fresh)));
      return toText(seal(key, Buffer.from(text), `${subjectId}/${field}`));
    },
    async open(subjectId, field, sealed) {
      const wrapped = await keys.find(subjectId);
      if (wrapped === null || sealed === null) return null;
      return open(unwrap(subjectId, wrapped), fromText(sealed), `${subjectId}/${field}`).toString();
    },
    destroy: (subjectId) => keys.destroy(subjectId),
  };
}

const wrapContext = (subjectId: string) => `subject-key/${subjectId}`;

function toText({ nonce, ciphertext, tag }: Sealed): string {
  return ['v1', ...[nonce, ciphertext, tag].map((part) => part.toString('base64url'))].join('.');
}

function fromText(text: string): Sealed {
  const [version, nonce, ciphertext, tag, ...more] = text.split('.');
  if (version !== 'v1' || nonce === undefined || ciphertext === undefined || tag === undefined || more.length > 0) {
    throw new SealBroken('not a sealed text of version 1');
  }
  const decoded = (part: string) => Buffer.from(part, 'base64url');
  return { nonce: decoded(nonce), ciphertext: decoded(ciphertext), tag: decoded(tag) };
}

/** One version byte, then nonce, ciphertext and tag. */
function toBytes({ nonce, ciphertext, tag }: Sealed): Buffer {
  return Buffer.concat([Buffer.of(1), nonce, ciphertext, tag]);
}

function fromBytes(bytes: Buffer): Sealed {
  if (bytes[0] !== 1) throw new SealBroken('not a wrapped key of version 1');
  const sealedAt = 1 + NONCE_LENGTH;
  return {
    nonce: bytes.subarray(1, sealedAt),
    ciphertext: bytes.subarray(sealedAt, -TAG_LENGTH),
    tag: bytes.subarray(-TAG_LENGTH),
  };
}
