/** How a simulated call behaves. */
export interface Behaviour {
  /** Answer with this error status instead. */
  readonly status: number | null;
  readonly retryAfterSeconds: number | null;
  /** Before the head of the answer. */
  readonly latencyMs: number;
  /** Before each piece of a stream but the first. */
  readonly chunkDelayMs: number;
  /** Words of the answer; null: as many as the sentence has. */
  readonly chunks: number | null;
  /** Close the connection after this many pieces. */
  readonly cutAfter: number | null;
  /** Send an error event after this many pieces of a stream. */
  readonly errorAfter: number | null;
  readonly hang: 'before' | 'mid' | null;
  readonly usage: 'exact' | 'none' | 'zero' | 'absurd' | 'negative' | 'twice';
  /** Reasoning tokens among the completion tokens. */
  readonly reasoning: number;
  /** Cached tokens, in addition to the counted prompt. */
  readonly cached: number;
  /** Call this function, if the request has it among its tools. */
  readonly tool: string | null;
}

export type BehaviourDefaults = Pick<Behaviour, 'latencyMs' | 'chunkDelayMs' | 'chunks'>;

export type ParsedText =
  | { readonly ok: true; readonly behaviour: Behaviour; /** The text without directives. */ readonly rest: string }
  | { readonly ok: false; readonly problem: string };

type Setter = (value: string) => Partial<Behaviour> | null;

const number =
  (field: keyof Behaviour, min: number, max: number): Setter =>
  (value) =>
    /^\d{1,9}$/.test(value) ? { [field]: Math.min(max, Math.max(min, Number(value))) } : null;

const choice =
  (field: keyof Behaviour, ...allowed: readonly string[]): Setter =>
  (value) =>
    allowed.includes(value) ? { [field]: value } : null;

/** The words of a directive. Numbers beyond their bounds are moved to them. */
const SETTERS: ReadonlyMap<string, Setter> = new Map([
  ['status', number('status', 400, 599)],
  ['retry_after', number('retryAfterSeconds', 0, 3_600)],
  ['latency_ms', number('latencyMs', 0, 60_000)],
  ['chunk_delay_ms', number('chunkDelayMs', 0, 10_000)],
  ['chunks', number('chunks', 1, 10_000)],
  ['cut_after', number('cutAfter', 0, 10_000)],
  ['error_after', number('errorAfter', 0, 10_000)],
  ['hang', choice('hang', 'before', 'mid')],
  ['usage', choice('usage', 'none', 'zero', 'absurd', 'negative', 'twice')],
  ['reasoning', number('reasoning', 0, 100_000)],
  ['cached', number('cached', 0, 1_000_000)],
  ['tool', (value) => (/^[\w-]{1,64}$/.test(value) ? { tool: value } : null)],
]);

const DIRECTIVE = /\[\[sim ([^\]]{1,500})\]\]/g;

/** Reads every `[[sim word=value …]]` of a text; later ones win. A word or value that means nothing is a problem. */
export function parseDirectives(text: string, defaults: BehaviourDefaults): ParsedText {
  let behaviour: Behaviour = {
    status: null,
    retryAfterSeconds: null,
    cutAfter: null,
    errorAfter: null,
    hang: null,
    usage: 'exact',
    reasoning: 0,
    cached: 0,
    tool: null,
    ...defaults,
  };
  for (const [, words = ''] of text.matchAll(DIRECTIVE)) {
    for (const word of words.split(/\s+/).filter((part) => part !== '')) {
      const [name = '', value = ''] = word.split('=', 2);
      const setting = SETTERS.get(name)?.(value);
      if (!setting) return { ok: false, problem: `[[sim ${word}]] means nothing` };
      behaviour = { ...behaviour, ...setting };
    }
  }
  return { ok: true, behaviour, rest: text.replace(DIRECTIVE, '') };
}
