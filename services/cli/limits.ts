import { Option, type Command } from 'commander';
import { z } from 'zod';
import { CURRENCIES, formatPicos, parsePicos } from '../../events/money.ts';
import type { Limits } from '../../events/quota/limits.ts';
import { collect, countOrNone } from './input.ts';

const MAX_CONCURRENCY = 100_000;
const SPEND = new RegExp(`^(${CURRENCIES.join('|')})=(\\d{1,12}(?:\\.\\d{1,12})?)$`);

/** `USD=12.50`, once per currency, or `none` alone. They replace all spending limits. */
const spend = z.array(z.string()).transform((texts, context): Limits['spendPerMonth'] => {
  if (texts.length === 1 && texts[0] === 'none') return [];
  const amounts = new Map<string, Limits['spendPerMonth'][number]>();
  for (const text of texts) {
    const [, code, amount = ''] = SPEND.exec(text) ?? [];
    const currency = CURRENCIES.find((known) => known === code);
    if (currency === undefined || amounts.has(currency)) {
      const message = `must be an amount such as USD=12.50, once for each of ${CURRENCIES.join(', ')}, or "none" alone`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    amounts.set(currency, { currency, picos: parsePicos(amount).toString() });
  }
  return [...amounts.values()];
});

const concurrency = countOrNone.refine(
  (value) => value === null || value <= MAX_CONCURRENCY,
  `must be at most ${String(MAX_CONCURRENCY)}`,
);

/** The fields of `limitOptions`. */
export const limitFields = {
  tokensPerMonth: countOrNone.optional(),
  spendPerMonth: spend.optional(),
  concurrency: concurrency.optional(),
  requestsPerMinute: countOrNone.optional(),
  tokensPerMinute: countOrNone.optional(),
};

/** Options for what a key or an account may use. */
export function limitOptions(command: Command): Command {
  return command
    .option('--tokens-per-month <count>', 'tokens of all kinds per UTC month, or "none"')
    .addOption(
      new Option(
        '--spend-per-month <currency=amount>',
        'money per UTC month, such as USD=12.50; repeat per currency, or "none"',
      ).argParser(collect),
    )
    .option('--concurrency <count>', 'calls in flight at once, or "none"')
    .option('--requests-per-minute <count>', 'or "none"')
    .option('--tokens-per-minute <count>', 'or "none"');
}

/** The limits that were named; null lifts one. */
export function namedLimits(input: z.output<z.ZodObject<typeof limitFields>>): Partial<Limits> {
  const { tokensPerMonth, spendPerMonth, concurrency, requestsPerMinute, tokensPerMinute } = input;
  return {
    ...(tokensPerMonth !== undefined && { tokensPerMonth }),
    ...(spendPerMonth !== undefined && { spendPerMonth }),
    ...(concurrency !== undefined && { concurrency }),
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    ...(tokensPerMinute !== undefined && { tokensPerMinute }),
  };
}

/** Limits as JSON: amounts are decimal text in major units by currency. */
export function limitsDocument(limits: Limits) {
  const spendPerMonth = Object.fromEntries(
    limits.spendPerMonth.map(({ currency, picos }) => [currency, formatPicos(BigInt(picos))]),
  );
  return { ...limits, spendPerMonth };
}

/** Limits on one line for people; `none` when there are none. */
export function limitsText(limits: Limits): string {
  const { tokensPerMonth, concurrency, requestsPerMinute, tokensPerMinute } = limits;
  const parts = [
    tokensPerMonth === null ? null : `${String(tokensPerMonth)} tokens/month`,
    ...limits.spendPerMonth.map(({ currency, picos }) => `${formatPicos(BigInt(picos))} ${currency}/month`),
    concurrency === null ? null : `${String(concurrency)} at once`,
    requestsPerMinute === null ? null : `${String(requestsPerMinute)} requests/min`,
    tokensPerMinute === null ? null : `${String(tokensPerMinute)} tokens/min`,
  ];
  return parts.filter((part) => part !== null).join(', ') || 'none';
}
