import { Option, type Command } from 'commander';
import { z } from 'zod';
import { accountStream } from '../../../events/ids.ts';
import { changeAdminRights } from '../../accounts/adminRights.ts';
import { accountDecider } from '../../accounts/account.decider.ts';
import { handle } from '../../decider.ts';
import type { Actions } from '../actions.ts';
import { CommandFailed } from '../failure.ts';
import { accountField, modeField, reasonField, userField } from '../input.ts';
import { limitFields, limitOptions, limitsDocument, limitsText, namedLimits } from '../limits.ts';
import type { Outcome } from '../outcome.ts';
import type { AccountRow, Installation } from '../ports.ts';
import { tableOf } from '../table.ts';
import { openedAccount, userNamed } from '../users.ts';

const list = z.object({ user: userField.optional(), mode: modeField.optional() });
const rights = z.object({ user: userField, reason: reasonField });
const limits = z.object({ ...limitFields, account: accountField, reason: reasonField });

/** `accounts`: every account, what they may use, and whose users are administrators. */
export function registerAccounts(program: Command, actions: Actions): void {
  const accounts = program
    .command('accounts')
    .description('list accounts, set what they may use, and name administrators');

  accounts
    .command('list', { isDefault: true })
    .description('all accounts in the order in which they were opened')
    .option('--user <email or id>', 'only those of this user')
    .addOption(new Option('--mode <mode>', 'only these').choices(['live', 'test']))
    .action(actions.opened(list, listAccounts));

  limitOptions(accounts.command('limits <account>'))
    .description('set limits of an account; what is not named stays')
    .option('--reason <text>', 'kept in the record')
    .action(actions.opened(limits, setLimits));

  for (const [name, { description }] of Object.entries(RIGHTS)) {
    accounts
      .command(`${name} <user>`)
      .description(`${description}; name the user by e-mail address or id`)
      .option('--reason <text>', 'kept in the record')
      .action(actions.opened(rights, changingRights(name as keyof typeof RIGHTS)));
  }
}

/** Both count from the user's next call on. */
const RIGHTS = {
  'grant-admin': { type: 'GrantAdminRights', description: 'make a user an administrator', now: 'is an administrator' },
  'revoke-admin': { type: 'RevokeAdminRights', description: 'take these rights back', now: 'is no administrator' },
} as const;

function changingRights(name: keyof typeof RIGHTS) {
  const { type, now } = RIGHTS[name];
  return async (installation: Installation, input: z.output<typeof rights>): Promise<Outcome> => {
    const { userId } = await userNamed(installation, input.user);
    const wish = { type, userId, reason: input.reason, correlationId: 'cli' };
    const changed = await changeAdminRights(installation, wish);
    if (changed === null) throw new CommandFailed('not_found', `There is no user ${input.user}.`);
    return {
      data: { userId, isAdmin: type === 'GrantAdminRights', changed },
      text: `${userId} ${now}${changed ? '' : ', as before'}`,
    };
  };
}

async function listAccounts(installation: Installation, input: z.output<typeof list>): Promise<Outcome> {
  const userId = input.user === undefined ? null : (await userNamed(installation, input.user)).userId;
  await installation.caughtUp();
  const accounts: AccountRow[] = [];
  for await (const page of installation.answers.accounts(userId)) {
    accounts.push(...page.filter(({ mode }) => input.mode === undefined || mode === input.mode));
  }
  return {
    data: { accounts: accounts.map((account) => ({ ...account, limits: limitsDocument(account.limits) })) },
    text: tableOf(
      [
        { head: 'account', of: (account) => account.accountId },
        { head: 'user', of: (account) => account.userId },
        { head: 'mode', of: (account) => account.mode },
        { head: 'zone', of: (account) => account.zone },
        { head: 'limits', of: (account) => limitsText(account.limits) },
        { head: 'keys at most', align: 'right', of: (account) => String(account.maxKeys) },
        { head: 'opened', of: (account) => account.openedAt },
      ],
      accounts,
      'No accounts.',
    ),
  };
}

async function setLimits(installation: Installation, input: z.output<typeof limits>): Promise<Outcome> {
  const { store, runtime } = installation;
  const { account: accountId, reason } = input;
  const named = namedLimits(input);
  if (Object.keys(named).length === 0) throw new CommandFailed('usage', 'Name at least one limit; see --help.');
  const before = await openedAccount(installation, accountId);
  const handled = await handle(store, accountDecider, accountStream(accountId), {
    type: 'SetAccountLimits',
    accountId,
    limits: { ...before.limits, ...named },
    reason,
    commandId: runtime.ids.uuid(),
    correlationId: 'cli',
    now: runtime.clock.now(),
  });
  if (!handled.ok || handled.state.status === 'none') {
    throw new CommandFailed('not_found', `There is no account ${accountId}.`);
  }
  const after = handled.state.limits;
  await installation.caughtUp();
  return {
    data: { accountId, limits: limitsDocument(after) },
    text: `${accountId} may use: ${limitsText(after)}`,
  };
}
