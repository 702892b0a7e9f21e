import fc from 'fast-check';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import type { KeyCommand } from '../../../services/keys/key.commands.ts';
import { at, command, DAY_MS, keptSecret, NOW } from '../../unit/keys/keyExamples.ts';

type Make = (base: { keyId: string; now: number; commandId: string }) => KeyCommand;

const expiresAt = fc.option(fc.integer({ min: -2, max: 40 }).map((days) => at(days * DAY_MS)));
const models = fc.option(fc.uniqueArray(fc.constantFrom('m1', 'm2', 'm3')));
const limit = fc.option(fc.integer({ min: 0, max: 3 }));
const limits = fc.record({ tokensPerMonth: limit, requestsPerMinute: limit }, { requiredKeys: [] });
const change = fc.record({ models, expiresAt, limits }, { requiredKeys: [] });
const overlapMs = fc.integer({ min: -1, max: 31 }).map((days) => days * DAY_MS);

function makeFrom(names: readonly string[]): fc.Arbitrary<Make> {
  const secret = fc.constantFrom(...names).map(keptSecret);
  return fc.oneof(
    fc.record({ secret, models, expiresAt }).map(
      (wish): Make =>
        (base) =>
          command.issue({ ...wish, ...base, limits: NO_LIMITS }),
    ),
    change.map(
      (wish): Make =>
        (base) =>
          command.restrict({ ...base, change: wish }),
    ),
    fc.record({ secret, overlapMs }).map(
      (wish): Make =>
        (base) =>
          command.rotate({ ...wish, ...base }),
    ),
    fc.constantFrom<Make[]>(command.disable, command.enable, command.revoke, command.expire),
  );
}

/** Commands to one key, at instants that never go back, up to some weeks. `names` are its secrets; the first issues it. */
export function keyHistory(keyId: string, names: readonly [string, ...string[]]): fc.Arbitrary<readonly KeyCommand[]> {
  const step = fc.record({ make: makeFrom(names), afterMs: fc.constantFrom(0, 1, DAY_MS, 7 * DAY_MS) });
  return fc.array(step, { maxLength: 12 }).map((steps) => {
    let now = NOW;
    const first = command.issue({ keyId, secret: keptSecret(names[0]), commandId: 'first' });
    const others = steps.map(({ make, afterMs }, index) => {
      now += afterMs;
      return make({ keyId, now, commandId: `command-${String(index)}` });
    });
    return [first, ...others];
  });
}
