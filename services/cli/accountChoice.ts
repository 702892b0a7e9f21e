import { Option, type Command } from 'commander';
import { accountField, modeField, userField } from './input.ts';
import type { Installation } from './ports.ts';
import { openedAccount, userNamed } from './users.ts';

/** The fields of `withAccountChoice`. */
export const accountChoice = {
  account: accountField.optional(),
  user: userField.optional(),
  mode: modeField.optional(),
};

/** Options that choose accounts: one by its id, or those of a user. */
export function withAccountChoice(command: Command): Command {
  return command
    .addOption(new Option('--account <id>', 'this account').conflicts(['user', 'mode']))
    .option('--user <email or id>', 'accounts of this user; the first-run user unless given')
    .addOption(new Option('--mode <mode>', 'only the account of this mode').choices(['live', 'test']));
}

/** Ids of the account that was named, or else of the user's, of one mode or of both. Throws CommandFailed `not_found`. */
export async function chosenAccounts(
  installation: Pick<Installation, 'store' | 'emailIndex' | 'firstRunEmail'>,
  choice: {
    readonly account?: string | undefined;
    readonly user?: string | undefined;
    readonly mode?: 'live' | 'test' | undefined;
  },
): Promise<readonly string[]> {
  if (choice.account !== undefined) return [(await openedAccount(installation, choice.account)).accountId];
  const { accounts } = await userNamed(installation, choice.user);
  return choice.mode === undefined ? [accounts.live, accounts.test] : [accounts[choice.mode]];
}
