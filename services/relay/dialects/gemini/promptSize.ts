import type { BodyRules } from '../../usage/bodySize.ts';

/** What of a body, in one spelling, is no text of its prompt. */
export const PROMPT_RULES: BodyRules = {
  outside: new Set(['model', 'safetySettings', 'labels', 'serviceTier', 'store']),
  attached: new Set(['inlineData', 'fileData']),
  silent: new Set(['role', 'mode', 'thought']),
};

/** A thought signature stands for thoughts that count as input by their own length, so its bytes bound and do not count. */
export const COUNT_RULES: BodyRules = {
  ...PROMPT_RULES,
  silent: new Set([...PROMPT_RULES.silent, 'thoughtSignature']),
};
