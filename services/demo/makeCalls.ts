import { formatPicos, type Picos } from '../../events/money.ts';
import type { CallRow } from '../cli/ports.ts';
import type { Caller, Told } from './calls.ts';
import { expectSame, Unmet } from './expectation.ts';
import { until, type World } from './world.ts';

const PIECES_BEFORE_LEAVING = 25;

/** Makes four calls in two currencies, one of them left half-way, and returns them as they stand in the log, oldest first. */
export async function makeCalls(world: World, caller: Caller, account: string): Promise<readonly CallRow[]> {
  const { print } = world;
  const whole = await caller.ask({
    model: 'tallystick-sim',
    content: 'What is a tally stick? [[sim chunks=900 cached=40 reasoning=100]]',
    maxTokens: 2_000,
  });
  print(`   whole     ${line('tallystick-sim', whole)}`);
  print(`             “${whole.text.slice(0, 60)}…”`);

  const streamed = await caller.stream({
    model: 'gpt-4o',
    content: 'Tell it as a story. [[sim chunks=400]]',
    maxTokens: 1_000,
  });
  print(`   streamed  ${line('gpt-4o', streamed)}   (${String(streamed.chunks)} pieces)`);

  const other = await caller.ask({
    model: 'llama3',
    content: 'And in another currency? [[sim chunks=3500]]',
    maxTokens: 4_000,
  });
  print(`   whole     ${line('llama3', other)}`);

  const left = await caller.leaveAfter(PIECES_BEFORE_LEAVING, {
    model: 'tallystick-sim',
    content: 'Go on until I leave. [[sim chunks=1000 chunk_delay_ms=5]]',
    maxTokens: 2_000,
  });
  const log = await settled(world, account, 4);
  const aborted = callOf(log, left.requestId);
  expectSame('the ending of the call that its client left', aborted.status, 'aborted');
  // A piece is a word, and a word at least one token.
  const billed = aborted.usage?.['outputText'] ?? 0;
  expectSame(`billed at least what was delivered (${String(billed)} tokens)`, billed >= PIECES_BEFORE_LEAVING, true);
  print(
    `   left      ${line('tallystick-sim', { ...aborted, cost: aborted.picos })}   (${String(PIECES_BEFORE_LEAVING)} pieces read)`,
  );
  print(`             What had been delivered is billed (${aborted.source ?? ''}), the provider was hung up on.`);

  for (const told of [whole, streamed, other]) expectLogged(callOf(log, told.requestId), told);
  return log;
}

/** The account's log, once so many calls have ended. */
function settled(world: World, account: string, calls: number): Promise<readonly CallRow[]> {
  return until(world.runtime, `${String(calls)} settled calls in the log`, async () => {
    const log = await world.answers.calls(account, null, 100);
    return log.length >= calls && log.every(({ status }) => status !== 'accepted') ? log.toReversed() : null;
  });
}

function callOf(log: readonly CallRow[], requestId: string): CallRow {
  const call = log.find((candidate) => candidate.requestId === requestId);
  if (!call) throw new Unmet('the log', `request ${requestId}`, log.map((row) => row.requestId).join(', '));
  return call;
}

function expectLogged(call: CallRow, told: Told): void {
  expectSame(`tokens of ${told.requestId}, in the log and as told to the client`, call.tokens, told.tokens);
  expectSame(`cost of ${told.requestId}, in the log and as told to the client`, call.picos, told.cost);
}

function line(model: string, call: { requestId: string; tokens: number; cost: Picos; currency: string }): string {
  const cost = `${formatPicos(call.cost)} ${call.currency}`;
  return `${model.padEnd(14)} ${String(call.tokens).padStart(5)} tokens  ${cost.padEnd(16)} ${call.requestId}`;
}
