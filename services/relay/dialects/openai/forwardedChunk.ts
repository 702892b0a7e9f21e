import { isObject, type Json } from '../../wire/json.ts';
import { atPath } from './reportedUsage.ts';

/** How OpenAI ends a chunk that has no usage; what stands right before the last brace is a member of the whole object. */
const NULL_USAGE = ',"usage":null}';

export interface ForwardRules {
  /** Dotted path at which the provider reports usage. */
  readonly usagePath: string;
  /** The client's name for the model, where the provider uses another one. */
  readonly renameTo: string | null;
  /** The client asked for usage, so chunks keep the `"usage":null` that goes with it. */
  readonly usageWanted: boolean;
}

/** What stands at the usage path of a provider that has its own; undefined at the usual place. */
export function usageAtPath(chunk: Json, { usagePath }: ForwardRules): unknown {
  return usagePath === 'usage' ? undefined : atPath(chunk, usagePath);
}

/** The provider's text, at most without the null usage at its end; null when the chunk must be written anew. */
export function textAsSent(chunk: Json, text: string, rules: ForwardRules): string | null {
  const { renameTo, usageWanted } = rules;
  if (renameTo !== null && chunk['model'] !== renameTo) return null;
  const hidesUsage = Object.hasOwn(chunk, 'usage') && (!usageWanted || chunk['usage'] !== null);
  if (hidesUsage && text.endsWith(NULL_USAGE)) return `${text.slice(0, -NULL_USAGE.length)}}`;
  return hidesUsage || usageAtPath(chunk, rules) !== undefined ? null : text;
}

/** The chunk in our spelling: usage hidden, the model as the client knows it. */
export function rewritten(chunk: Json, rules: ForwardRules): string {
  const hasOwnPath = usageAtPath(chunk, rules) !== undefined;
  const { usage: _usage, ...rest } = hasOwnPath ? withoutPath(chunk, rules.usagePath) : chunk;
  if (rules.renameTo !== null) rest['model'] = rules.renameTo;
  if (rules.usageWanted) rest['usage'] = null;
  return JSON.stringify(rest);
}

/** A copy of the chunk without the member at the dotted path. */
function withoutPath(chunk: Json, path: string): Json {
  return without(chunk, path.split('.')) as Json;
}

function without(source: unknown, [step = '', ...rest]: readonly string[]): unknown {
  if (Array.isArray(source)) {
    return source.map((item: unknown, index) => (String(index) === step ? without(item, rest) : item));
  }
  if (!isObject(source)) return source;
  const { [step]: inner, ...others } = source;
  return rest.length === 0 ? others : { ...others, [step]: without(inner, rest) };
}
