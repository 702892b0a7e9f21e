import type { Message, Reasoning } from '../../canonical/prompt.ts';
import type { Json } from '../../wire/json.ts';

/** Claude thinks with no less. */
const MIN_BUDGET_TOKENS = 1_024;

/** Budgets for models that know no effort; they also tell which effort a budget means. */
const BUDGET_OF = { minimal: 1_024, low: 2_048, medium: 8_192, high: 16_384, xhigh: 24_576, max: 32_000 } as const;

export interface AskedThinking {
  readonly thinking: Json | null;
  readonly effort: string | null;
}

const NOT_ASKED: AskedThinking = { thinking: null, effort: null };

export interface ThinkingSituation {
  readonly model: string;
  readonly maxOutput: number;
  /** The client demands a tool call, and Claude cannot think before one that is demanded. */
  readonly toolDemanded: boolean;
  readonly messages: readonly Message[];
}

/**
 * How a wish for reasoning is put to a Claude model. Claude 3.7 to 4.5 think within a budget, later ones by effort;
 * earlier ones not at all. Dropped, because Claude would refuse the whole call: thinking before a demanded tool call,
 * a budget that leaves no room below the output limit, and, with a budget, thinking in the middle of a tool loop whose
 * own thinking the client has not given back.
 */
export function askedThinking(reasoning: Reasoning | null, situation: ThinkingSituation): AskedThinking {
  const version = claudeVersion(situation.model);
  if (!reasoning || version < 3.7) return NOT_ASKED;
  if (reasoning.effort === 'none' || reasoning.budgetTokens === 0)
    return { thinking: { type: 'disabled' }, effort: null };
  if (version < 4.6) return { thinking: budgetThinking(reasoning, situation), effort: null };
  const thinking = { type: 'adaptive', ...(reasoning.shown && { display: 'summarized' }) };
  return { thinking: situation.toolDemanded ? null : thinking, effort: effortOf(reasoning, version) };
}

/** The budget, made smaller where the output limit demands it; null when none fits below the limit. */
export function fittingBudget(budgetTokens: number, maxOutput: number): number | null {
  const fitting = Math.min(budgetTokens, maxOutput - 1);
  return fitting >= MIN_BUDGET_TOKENS ? fitting : null;
}

function budgetThinking(reasoning: Reasoning, situation: ThinkingSituation): Json | null {
  if (situation.toolDemanded || continuesUnprovenLoop(situation.messages)) return null;
  const stated = statedBudget(reasoning);
  const wanted = Math.max(stated ?? BUDGET_OF[budgetEffort(reasoning)], MIN_BUDGET_TOKENS);
  // A budget of ours leaves half of the limit to the answer itself.
  const room = stated === null ? Math.floor(situation.maxOutput / 2) : situation.maxOutput;
  const budget = fittingBudget(wanted, room);
  return budget === null ? null : { type: 'enabled', budget_tokens: budget };
}

/** Some dialects say −1 for as much as the model likes. */
function statedBudget({ budgetTokens }: Reasoning): number | null {
  return budgetTokens !== null && budgetTokens > 0 ? budgetTokens : null;
}

function budgetEffort({ effort }: Reasoning): keyof typeof BUDGET_OF {
  return effort === null || effort === 'none' ? 'medium' : effort;
}

/** Null leaves the effort to the model. 4.6 knows nothing between high and max. */
function effortOf(reasoning: Reasoning, version: number): string | null {
  const { effort } = reasoning;
  if (effort === 'minimal') return 'low';
  if (effort === 'xhigh' && version < 4.7) return 'high';
  if (effort !== null) return effort;
  const budget = statedBudget(reasoning);
  if (budget === null) return null;
  if (budget <= BUDGET_OF.low) return 'low';
  return budget <= BUDGET_OF.medium ? 'medium' : 'high';
}

/** The last turn gives results of tools to a turn of the assistant whose signed thinking is not there. */
function continuesUnprovenLoop(messages: readonly Message[]): boolean {
  const last = messages.findLastIndex(({ role }) => role === 'assistant');
  if (messages[last + 1]?.role !== 'tool') return false;
  const proven = messages[last]?.parts.some(
    (part) => part.type === 'redactedThinking' || (part.type === 'thinking' && part.signature !== null),
  );
  return proven !== true;
}

/** 4.5 for `claude-sonnet-4-5-20250929`; a name that tells no version counts as the newest one. */
export function claudeVersion(model: string): number {
  const match = /claude-(?:[a-z]+-)?(\d)(?:[-.](\d)(?!\d))?/.exec(model);
  return match ? Number(`${match[1] ?? ''}.${match[2] ?? '0'}`) : Infinity;
}
