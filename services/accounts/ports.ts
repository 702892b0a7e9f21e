import type { SignedInUser } from '../http/route.ts';

/** Argon2id. Bounded: throws ApiError `service_unavailable` when too many are waiting. */
export interface PasswordHasher {
  /** The PHC string of a password. */
  hash(password: string): Promise<string>;
  /** Does the same work for null, an unknown user, and gives false. */
  verify(stored: string | null, password: string): Promise<boolean>;
}

/** Personal fields, each sealed with a key of its subject alone. Destroying that key makes all of them unreadable for ever. */
export interface PersonalData {
  /** Makes the subject's key when there is none. */
  seal(subjectId: string, field: PersonalField, text: string): Promise<string>;
  /** Null when the subject's key was destroyed; null for a null text too, after the same look-up. Throws when the text was tampered with. */
  open(subjectId: string, field: PersonalField, sealed: string | null): Promise<string | null>;
  /** Erases the subject: true when there was a key to destroy. */
  destroy(subjectId: string): Promise<boolean>;
}
export type PersonalField = 'profile' | 'password';

/** Wrapped subject keys, as bytes that mean nothing without the master key. Every method may throw StoreUnavailable. */
export interface SubjectKeyStore {
  /** The stored key: this one, or the one that was there before. */
  obtain(subjectId: string, wrapped: Buffer): Promise<Buffer>;
  find(subjectId: string): Promise<Buffer | null>;
  destroy(subjectId: string): Promise<boolean>;
}

/** A keyed hash of an e-mail address, for looking it up without storing it. 64 hex digits. */
export interface EmailIndex {
  of(email: string): string;
}

/** Signed access tokens (JWT). */
export interface AccessTokens {
  issue(user: SignedInUser): Promise<{ readonly token: string; readonly expiresInSeconds: number }>;
  /** Null for anything but an unexpired token of ours. */
  verify(token: string): Promise<SignedInUser | null>;
}

/** Bounds guessing. Attempts are charged before the password is looked at, so parallel ones cannot slip through. */
export interface LoginGuard {
  /** Throws ApiError `rate_limit_exceeded`. `userId` is charged whether or not there is such a user. */
  beforeLogin(address: string, userId: string): Promise<void>;
  /** Ends a row of failures. */
  afterLogin(userId: string): Promise<void>;
  /** Throws ApiError `rate_limit_exceeded`. */
  beforeRegistration(address: string): Promise<void>;
}

/** Resolves when the read models that management calls read contain everything up to a position; rejects when that takes too long. */
export type CaughtUp = (position: bigint) => Promise<void>;
