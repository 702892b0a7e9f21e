import { z } from 'zod';
import { defineEvent, identifier, instant, mode, sha256Hex } from '../envelope.ts';
import { limits } from '../quota/limits.ts';

/** Models a key may call; null means every priced model. */
const models = z.array(z.string().min(1).max(200)).max(200).nullable();
const reason = z.string().max(200);
const name = z.string().min(1).max(100);

/** A secret as we keep it: its SHA-256, and what a list may show of it. */
const secret = { secretHash: sha256Hex, prefix: z.string().max(16), last4: z.string().length(4) };

export const apiKeyIssued = defineEvent('ApiKeyIssued', 1, {
  keyId: identifier,
  userId: identifier,
  name,
  mode,
  ...secret,
  limits,
  models,
  expiresAt: instant.nullable(),
});
/** Replaces the whole set of restrictions. */
export const apiKeyRestricted = defineEvent('ApiKeyRestricted', 1, {
  keyId: identifier,
  limits,
  models,
  expiresAt: instant.nullable(),
});
/** The key has a new secret; the previous one stays valid until `previousValidUntil`. */
export const apiKeyRotated = defineEvent('ApiKeyRotated', 1, {
  keyId: identifier,
  ...secret,
  previousValidUntil: instant,
});
export const apiKeyDisabled = defineEvent('ApiKeyDisabled', 1, { keyId: identifier, reason });
export const apiKeyEnabled = defineEvent('ApiKeyEnabled', 1, { keyId: identifier, reason });
/** By an administrator, whose user id `by` is: the owner cannot enable the key. */
export const apiKeySuspended = defineEvent('ApiKeySuspended', 1, { keyId: identifier, by: identifier, reason });
/** By an administrator: the key may be used again, whoever had disabled it. */
export const apiKeyReinstated = defineEvent('ApiKeyReinstated', 1, { keyId: identifier, by: identifier, reason });
export const apiKeyRenamed = defineEvent('ApiKeyRenamed', 1, { keyId: identifier, name });
export const apiKeyRevoked = defineEvent('ApiKeyRevoked', 1, { keyId: identifier, reason });
export const apiKeyExpired = defineEvent('ApiKeyExpired', 1, { keyId: identifier });

export const keyEvent = z.discriminatedUnion('type', [
  apiKeyIssued,
  apiKeyRestricted,
  apiKeyRotated,
  apiKeyDisabled,
  apiKeyEnabled,
  apiKeySuspended,
  apiKeyReinstated,
  apiKeyRenamed,
  apiKeyRevoked,
  apiKeyExpired,
]);
export type ApiKeyIssued = z.infer<typeof apiKeyIssued>;
export type KeyEvent = z.infer<typeof keyEvent>;
