import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Mode } from '../../events/envelope.ts';
import type { Random } from '../runtime.ts';

/**
 * An API key: `tly_live_` or `tly_test_`, 32 random base62 characters (190 bits), and the CRC32 of all that as 6 base62
 * characters. The checksum lets a key be told from a typing error, and a scanner from noise, without a look-up; it
 * protects nothing. Scanners may search for `tly_(live|test)_[0-9A-Za-z]{38}`.
 */
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BODY_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
const TAG_LENGTH = 'tly_live_'.length;
const SECRET_LENGTH = TAG_LENGTH + BODY_LENGTH + CHECKSUM_LENGTH;
const FORM = /^tly_(?:live|test)_[0-9A-Za-z]{38}$/;

/** Random characters that a list may show after the tag, so that its owner can tell two keys apart. */
const SHOWN = 4;

/** A fresh secret and what may be kept of it. `secret` itself is shown once and stored nowhere. */
export interface MintedSecret {
  readonly secret: string;
  readonly secretHash: string;
  readonly prefix: string;
  readonly last4: string;
}

/** A new secret for a key of this mode. */
export function mintSecret(mode: Mode, random: Pick<Random, 'bytes'>): MintedSecret {
  const checked = `tly_${mode}_${randomBase62(random)}`;
  const secret = checked + checksum(checked);
  return {
    secret,
    secretHash: hash('sha256', secret),
    prefix: secret.slice(0, TAG_LENGTH + SHOWN),
    last4: secret.slice(-4),
  };
}

/** The mode and look-up hash of a well-formed secret; null for any other text, before anything is hashed. */
export function parseSecret(text: string): { mode: Mode; hash: string } | null {
  if (text.length !== SECRET_LENGTH || !FORM.test(text)) return null;
  const end = SECRET_LENGTH - CHECKSUM_LENGTH;
  if (checksum(text.slice(0, end)) !== text.slice(end)) return null;
  return { mode: text.startsWith('tly_live_') ? 'live' : 'test', hash: hash('sha256', text) };
}

function checksum(checked: string): string {
  let rest = crc32(checked);
  let text = '';
  for (let digit = 0; digit < CHECKSUM_LENGTH; digit += 1) {
    text = BASE62.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

/** Bytes of 248 and more are thrown away: 248 = 4 × 62, so that every character is equally likely. */
function randomBase62(random: Pick<Random, 'bytes'>): string {
  let text = '';
  while (text.length < BODY_LENGTH) {
    for (const byte of random.bytes(BODY_LENGTH)) {
      if (byte < 248 && text.length < BODY_LENGTH) text += BASE62.charAt(byte % 62);
    }
  }
  return text;
}
