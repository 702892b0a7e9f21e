import type { ReportedUsage } from '../../usage/reported.ts';
import { isObject, objectsIn, type Json } from '../../wire/json.ts';
import { agentUsage, tokenCount } from '../agentAnswer.ts';

/** Where a node keeps the results of the nodes below it; the name differs by kind of node and release. */
const BELOW = [
  ...['childrenResponses', 'childDetails', 'toolDetail', 'pluginDetail'],
  ...['loopDetail', 'loopRunDetail', 'parallelDetail'],
] as const;
/** Calls of a model that a node makes beside its own work. */
const BESIDE = ['queryExtensionResult', 'deepSearchResult', 'compressTextAgent'] as const;
/** Flows of people have a few levels; beyond this a result is not read. */
const MAX_LEVELS = 32;

interface Sum {
  input: number;
  output: number;
  /** Of nodes that state no halves, as older releases do. */
  undivided: number;
}

/**
 * The tokens of all nodes of a flow. FastGPT's own `usage` is 1, 1, 1 whatever was used, and is never read. Null when
 * no node states any.
 */
export function nodeUsage(nodes: readonly unknown[]): ReportedUsage | null {
  const sum: Sum = { input: 0, output: 0, undivided: 0 };
  addNodes(objectsIn(nodes), sum, MAX_LEVELS);
  if (sum.undivided === 0) return agentUsage(sum.input, sum.output, null);
  return agentUsage(null, null, sum.input + sum.output + sum.undivided);
}

function addNodes(nodes: readonly Json[], sum: Sum, levels: number): void {
  if (levels === 0) return;
  for (const node of nodes) {
    const divided = add(node['inputTokens'], node['outputTokens'], sum);
    const ofTools = add(node['toolCallInputTokens'], node['toolCallOutputTokens'], sum);
    if (!divided && !ofTools) sum.undivided += tokenCount(node['tokens']) ?? 0;
    for (const name of BESIDE) {
      const call = node[name];
      if (isObject(call)) add(call['inputTokens'], call['outputTokens'], sum);
    }
    for (const name of BELOW) addNodes(objectsIn(node[name]), sum, levels - 1);
  }
}

/** Returns whether something was stated. */
function add(input: unknown, output: unknown, sum: Sum): boolean {
  const [fed, made] = [tokenCount(input), tokenCount(output)];
  sum.input += fed ?? 0;
  sum.output += made ?? 0;
  return fed !== null || made !== null;
}
