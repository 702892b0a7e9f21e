import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { identifier } from '../../events/envelope.ts';
import type { AccessTokens } from '../../services/accounts/ports.ts';
import type { Clock } from '../../services/runtime.ts';

/** One algorithm, one type, one issuer and audience: whatever a token says of itself, it is held to these. */
const ALGORITHM = 'HS256';
const TYPE = 'at+jwt';
const ISSUER = 'tallystick';
const AUDIENCE = 'tallystick/management';
const LIFETIME_SECONDS = 3_600;
const MIN_SECRET_BYTES = 32;

const claims = z.object({ sub: identifier, accounts: z.object({ live: identifier, test: identifier }) });

/** Access tokens of one hour, signed with HMAC-SHA-256. Throws RangeError when the secret is shorter than 32 bytes. */
export function createAccessTokens(secret: Uint8Array, clock: Clock): AccessTokens {
  if (secret.length < MIN_SECRET_BYTES) throw new RangeError('the JWT secret must be at least 32 bytes');
  return {
    async issue({ userId, accounts }) {
      const issuedAt = Math.floor(clock.now() / 1_000);
      const token = await new SignJWT({ accounts })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(userId)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + LIFETIME_SECONDS)
        .sign(secret);
      return { token, expiresInSeconds: LIFETIME_SECONDS };
    },

    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, secret, {
          algorithms: [ALGORITHM],
          typ: TYPE,
          issuer: ISSUER,
          audience: AUDIENCE,
          requiredClaims: ['sub', 'iat', 'exp'],
          maxTokenAge: LIFETIME_SECONDS,
          currentDate: new Date(clock.now()),
        });
        const parsed = claims.safeParse(payload);
        return parsed.success ? { userId: parsed.data.sub, accounts: parsed.data.accounts } : null;
      } catch (error) {
        if (error instanceof errors.JOSEError) return null;
        throw error;
      }
    },
  };
}
