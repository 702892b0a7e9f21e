import type { Command } from 'commander';
import { z } from 'zod';
import { formatPicos } from '../../../events/money.ts';
import { accountChoice, chosenAccounts, withAccountChoice } from '../accountChoice.ts';
import type { Actions } from '../actions.ts';
import { count } from '../input.ts';
import type { Outcome } from '../outcome.ts';
import type { CallRow, Installation } from '../ports.ts';
import { tableOf, type Column } from '../table.ts';

const MAX_SHOWN = 1_000;
const position = z
  .string()
  .regex(/^\d{1,18}$/, 'must be a log position')
  .transform(BigInt);
const requests = z.object({
  ...accountChoice,
  limit: count(1, MAX_SHOWN),
  before: position.optional(),
});

/** `requests`: the log of calls. */
export function registerRequests(program: Command, actions: Actions): void {
  withAccountChoice(program.command('requests'))
    .description('the log of accepted calls, newest first')
    .option('--limit <count>', `how many, at most ${String(MAX_SHOWN)}`, '20')
    .option('--before <position>', 'go on after the last one seen')
    .action(actions.opened(requests, showRequests));
}

async function showRequests(installation: Installation, input: z.output<typeof requests>): Promise<Outcome> {
  const accounts = await chosenAccounts(installation, input);
  await installation.caughtUp();
  const { answers } = installation;
  const pages = await Promise.all(accounts.map((account) => answers.calls(account, input.before ?? null, input.limit)));
  const newest = pages
    .flat()
    .toSorted((a, b) => (a.position > b.position ? -1 : 1))
    .slice(0, input.limit);
  return { data: { requests: newest.map(document) }, text: tableOf(COLUMNS, newest, 'No calls.') };
}

const COLUMNS: readonly Column<CallRow>[] = [
  { head: 'accepted', of: (call) => call.acceptedAt },
  { head: 'request', of: (call) => call.requestId },
  { head: 'mode', of: (call) => call.mode },
  { head: 'model', of: (call) => call.model },
  { head: 'ending', of: ending },
  { head: 'source', of: (call) => call.source ?? '' },
  { head: 'tokens', align: 'right', of: (call) => String(call.tokens) },
  { head: 'cost', align: 'right', of: (call) => `${formatPicos(call.picos)} ${call.currency}` },
  { head: 'position', align: 'right', of: (call) => call.position.toString() },
];

function ending({ status, code }: CallRow): string {
  return code === null ? status : `${status}: ${code}`;
}

function document({ picos, ...call }: CallRow) {
  return { ...call, amount: formatPicos(picos) };
}
