import { hash } from 'node:crypto';
import { exactCount } from '../../tokens/exactCount.ts';
import { textOf, type ChatRequest } from './chatRequest.ts';
import { countTexts } from './countTexts.ts';
import type { Behaviour } from './directives.ts';

export interface SimulatedUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly completion_tokens_details: { readonly reasoning_tokens: number };
}

/** What will be answered; the same request always gets the same. */
export interface Plan {
  readonly id: string;
  readonly model: string;
  /** The content in pieces: words with the space before them, or fragments of a tool call's arguments. */
  readonly pieces: readonly string[];
  readonly tool: { readonly id: string; readonly name: string } | null;
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
  /** True to its content, whatever is reported. */
  readonly usage: SimulatedUsage;
}

const OPENING = ['This', 'is', 'a', 'simulated', 'answer.', 'You', 'said:'];
const MAX_ECHOED_WORDS = 64;
const MAX_WORD_LENGTH = 64;
const ARGUMENT_PIECE = 12;

/** Decides the answer to a request whose last user text, without directives, is `said`. */
export function planAnswer(request: ChatRequest, said: string, behaviour: Behaviour): Plan {
  const digest = hash('sha256', `${request.model}\n${JSON.stringify(request.messages)}`).slice(0, 24);
  const limit = request.max_completion_tokens ?? request.max_tokens ?? Number.MAX_SAFE_INTEGER;
  const reasoning = Math.min(behaviour.reasoning, limit);
  const promptTokens = countPrompt(request) + behaviour.cached;
  const common = { id: `chatcmpl-sim-${digest}`, model: request.model };
  if (behaviour.tool !== null && request.tools?.some((tool) => tool.function?.name === behaviour.tool)) {
    const pieces = argumentPieces(said);
    const tokens = exactCount(behaviour.tool) + exactCount(pieces.join('')) + 7;
    return {
      ...common,
      pieces,
      tool: { id: `call_sim_${digest}`, name: behaviour.tool },
      finishReason: 'tool_calls',
      usage: usageOf(promptTokens, tokens + reasoning, reasoning, behaviour.cached),
    };
  }
  const words = wordsOf(said, behaviour.chunks);
  const { pieces, tokens } = within(words, limit - reasoning);
  return {
    ...common,
    pieces,
    tool: null,
    finishReason: pieces.length < words.length ? 'length' : 'stop',
    usage: usageOf(promptTokens, tokens + reasoning, reasoning, behaviour.cached),
  };
}

/** A sentence that repeats what was said, or as many words as were asked for. */
function wordsOf(said: string, wanted: number | null): string[] {
  const echoed = said.split(/\s+/u, MAX_ECHOED_WORDS + 1).filter((word) => word !== '');
  const sentence = [
    ...OPENING,
    ...echoed.slice(0, MAX_ECHOED_WORDS).map((word) => word.slice(0, MAX_WORD_LENGTH).toWellFormed()),
  ];
  const length = wanted ?? sentence.length;
  return Array.from({ length }, (_, index) => {
    const word = sentence[index % sentence.length] ?? '';
    return index === 0 ? word : ` ${word}`;
  });
}

/** As many whole words as fit. Each begins with the only space in it, so their tokens add up to those of the text. */
function within(words: readonly string[], limit: number): { pieces: readonly string[]; tokens: number } {
  let tokens = 0;
  for (const [index, word] of words.entries()) {
    const next = tokens + exactCount(word);
    if (next > limit) return { pieces: words.slice(0, index), tokens };
    tokens = next;
  }
  return { pieces: words, tokens };
}

/** By OpenAI's rule of thumb: three tokens per message, one per name, three to begin the answer. */
function countPrompt(request: ChatRequest): number {
  const texts = request.messages.flatMap(({ role, name, content }) => [role, name ?? '', textOf(content)]);
  const named = request.messages.filter(({ name }) => name !== undefined).length;
  return countTexts(texts) + 3 * request.messages.length + named + 3;
}

function argumentPieces(said: string): string[] {
  const text = JSON.stringify({ query: said.trim().slice(0, 80).toWellFormed() });
  return Array.from({ length: Math.ceil(text.length / ARGUMENT_PIECE) }, (_, index) =>
    text.slice(index * ARGUMENT_PIECE, (index + 1) * ARGUMENT_PIECE),
  );
}

function usageOf(prompt: number, completion: number, reasoning: number, cached: number): SimulatedUsage {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}
