import { Caller } from './calls.ts';
import type { Developer } from './developer.ts';
import { expectSame } from './expectation.ts';
import type { World } from './world.ts';

const QUESTION = { model: 'tallystick-sim', content: 'May I?', maxTokens: 50 };

/** Three refusals, and the proof that none of them came into the log. */
export async function refuseCalls(world: World, developer: Developer, goodKey: string): Promise<void> {
  const unknown = { ...QUESTION, model: 'no-such-model' };
  await expectRefusal(world, 'an unknown model', new Caller(world, goodKey), unknown, 404, 'model_not_found');

  const small = await developer.issueTestKey('Ten tokens a month', { tokens_per_month: 10 });
  await expectRefusal(world, 'a spent quota', new Caller(world, small.key), QUESTION, 429, 'insufficient_quota');

  const revoked = await developer.issueTestKey('Soon revoked');
  await developer.revoke(revoked);
  await expectRefusal(world, 'a revoked key', new Caller(world, revoked.key), QUESTION, 401, 'invalid_api_key');

  await world.caughtUp();
  const log = await world.answers.calls(developer.testAccount, null, 100);
  expectSame('calls in the log after three refusals', log.length, 4);
  world.print('   None of them is in the log of calls.');
}

async function expectRefusal(
  { print }: World,
  what: string,
  caller: Caller,
  wish: typeof QUESTION,
  status: number,
  code: string,
): Promise<void> {
  const refusal = await caller.refusalOf(wish);
  expectSame(`the status of ${what}`, refusal.status, status);
  expectSame(`the code of ${what}`, refusal.code, code);
  print(`   ${what.padEnd(17)} ${refusal.message}`);
}
