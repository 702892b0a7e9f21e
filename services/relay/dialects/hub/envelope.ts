import { formatPicos } from '../../../../events/money.ts';
import type { Billed } from '../../call.ts';
import { parseObject } from '../../wire/json.ts';
import { memberNames } from '../../wire/memberNames.ts';
import { withBilledUsage } from '../openai/billedUsage.ts';

/**
 * A whole chat completion as AI Hub answers it: inside `data`, with the cost in major units of its currency as last
 * member, an exact decimal literal. The completion's own text is kept. `answerJson` is the text of a JSON object.
 */
export function hubEnvelope(answerJson: string, billed: Billed): string {
  const answer = withoutCost(answerJson.trim(), billed);
  return `{"success":true,"data":${answer.slice(0, -1)},"cost":${formatPicos(billed.picos)}}}`;
}

/** A provider's own `cost` would stand there twice. */
function withoutCost(answerJson: string, billed: Billed): string {
  if (!memberNames(answerJson).includes('cost')) return answerJson;
  const { cost: _theirs, usage: _rewritten, ...rest } = parseObject(answerJson) ?? {};
  return withBilledUsage(rest, billed);
}
