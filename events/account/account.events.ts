import { z } from 'zod';
import { defineEvent, identifier, mode, sha256Hex } from '../envelope.ts';
import { limits } from '../quota/limits.ts';

/** A ledger of its own. Each user has one live and one test account. `zone` is an IANA zone id: it dates the billing months. */
export const accountOpened = defineEvent('AccountOpened', 1, {
  userId: identifier,
  mode,
  zone: z.string().max(64),
  limits,
  maxKeys: z.int().min(0),
});

/**
 * Personal fields are sealed with the subject's own key, which can be destroyed; `emailIndex` is a keyed hash for look-up.
 * Sealed text is `v1.<iv>.<ciphertext>.<tag>`, base64url, AES-256-GCM.
 */
export const userRegistered = defineEvent('UserRegistered', 1, {
  userId: identifier,
  emailIndex: sha256Hex,
  sealedProfile: z.string().max(4_000),
  sealedPasswordHash: z.string().max(1_000),
  accounts: z.object({ live: identifier, test: identifier }),
});

const reason = z.string().max(200);

/** The user may administer the installation, until the rights are revoked. Both stand on the user's stream. */
export const adminRightsGranted = defineEvent('AdminRightsGranted', 1, { userId: identifier, reason });
export const adminRightsRevoked = defineEvent('AdminRightsRevoked', 1, { userId: identifier, reason });

export const accountEvent = z.discriminatedUnion('type', [
  accountOpened,
  userRegistered,
  adminRightsGranted,
  adminRightsRevoked,
]);
export type AccountOpened = z.infer<typeof accountOpened>;
export type UserRegistered = z.infer<typeof userRegistered>;
export type AdminRightsGranted = z.infer<typeof adminRightsGranted>;
export type AdminRightsRevoked = z.infer<typeof adminRightsRevoked>;
export type AccountEvent = z.infer<typeof accountEvent>;
