import type { Command } from 'commander';
import { z } from 'zod';
import type { Actions } from '../actions.ts';
import { CommandFailed } from '../failure.ts';
import { accountField } from '../input.ts';
import type { Outcome } from '../outcome.ts';
import type { AuditReport, Installation, KeptHead } from '../ports.ts';
import { tableOf } from '../table.ts';
import { openedAccount } from '../users.ts';

/** `account:events:hash`, as `audit verify` prints heads. Price books belong to the account `system`. */
const HEAD = /^([a-z0-9_.-]{1,80}|\?):(\d{1,18}):([0-9a-f]{64})$/;
const keptHead = z.string().transform((text, context): KeptHead => {
  const [, accountId, sequence, hash] = HEAD.exec(text) ?? [];
  if (accountId === undefined || sequence === undefined || hash === undefined) {
    context.addIssue({ code: 'custom', message: 'must be a head as audit verify prints it, account:events:hash' });
    return z.NEVER;
  }
  return { accountId, sequence: BigInt(sequence), hash };
});
const verify = z.object({ account: accountField.optional(), expectHead: keptHead.optional() });

/** `audit`: recompute the hash chains. */
export function registerAudit(program: Command, actions: Actions): void {
  const audit = program.command('audit').description('check that no event was changed');
  audit
    .command('verify')
    .description('recompute every hash chain from the stored events')
    .option('--account <id>', 'only the chain of this account')
    .option('--expect-head <head>', 'a head that an earlier run printed and you kept: it must be part of its chain')
    .action(actions.opened(verify, verifyChains));
}

async function verifyChains(installation: Installation, input: z.output<typeof verify>): Promise<Outcome> {
  const { account: accountId, expectHead: expectedHead } = input;
  if (accountId !== undefined && expectedHead !== undefined && expectedHead.accountId !== accountId) {
    throw new CommandFailed('usage', '--expect-head is of another account than --account.');
  }
  if (accountId !== undefined) await openedAccount(installation, accountId);
  await installation.caughtUp();
  const report = await installation.audit({
    ...(accountId !== undefined && { accountId }),
    ...(expectedHead !== undefined && { expectedHead }),
  });
  const heads = report.heads.map((head) => ({ ...head, head: headText(head) }));
  const data = { ...report, heads };
  if (report.ok) return { data, text: `${intactText(report)}\n${headTable(heads)}` };
  return { data, text: differenceText(report), exit: 'difference' };
}

function headText({ accountId, sequence, hash }: KeptHead): string {
  return `${accountId}:${sequence.toString()}:${hash}`;
}

function intactText({ events, accounts, position }: AuditReport): string {
  const scope = `${String(events)} events in ${String(accounts)} chains, up to log position ${position.toString()}`;
  return `INTACT: ${scope}, hash as they did when they were recorded.`;
}

function headTable(heads: readonly { readonly head: string; readonly sequence: bigint }[]): string {
  return tableOf(
    [
      { head: 'events', align: 'right', of: ({ sequence }) => sequence.toString() },
      { head: 'head, to keep elsewhere for --expect-head', of: ({ head }) => head },
    ],
    heads,
    'No chains yet.',
  );
}

function differenceText({ firstDifference: found, events }: AuditReport): string {
  if (!found) return 'DIFFERENT';
  const facts: readonly (readonly [name: string, value: string])[] = [
    ['account', found.accountId],
    ['log position', found.position.toString()],
    ['place in its chain', found.sequence?.toString() ?? 'unknown'],
    ['stream', found.stream ?? 'unknown'],
    ['revision', found.revision?.toString() ?? 'unknown'],
    ['event id', found.eventId ?? 'unknown'],
  ];
  const table = tableOf(
    [
      { head: found.what, of: ([name]) => name },
      { head: FINDINGS.get(found.what) ?? '', of: ([, value]) => value },
    ],
    facts,
    '',
  );
  return `DIFFERENT after ${String(events)} events that hash as recorded.\n${table}`;
}

const FINDINGS: ReadonlyMap<string, string> = new Map([
  ['event_missing', 'the log has a gap here'],
  ['entry_missing', 'this event stands in no chain'],
  ['entry_differs', 'event and chain name different things'],
  ['hash_differs', 'the bytes of this event are not those that were recorded'],
  ['entry_unexpected', 'the chain goes on where the log has not come to'],
  ['head_differs', 'the stored head is not the end of its chain'],
  ['kept_head_missing', 'the head that you kept is not in the chain: it was cut or rewritten'],
]);
