import { MODEL } from '../prompt.ts';
import { AS_ESTIMATED, AS_PLAIN, INPUT_ONLY, OUTPUT_ONLY } from './openaiLike.ts';
import { ALL_SAID, SAID, type UsageProvider } from './provider.ts';

const HEAD = { model: MODEL, created_at: '2026-11-20T09:30:00Z' };
const said = (content: string) => ({ role: 'assistant', content });

/** The members of the statement stand beside `done`. */
function done(content: string, states: readonly string[]): string {
  const line = JSON.stringify({ ...HEAD, message: said(content), done: true, done_reason: 'stop' });
  const counts = states.at(-1) ?? '{}';
  return counts === '{}' ? `${line}\n` : `${line.slice(0, -1)},${counts.slice(1)}\n`;
}

export const OLLAMA_USAGE: UsageProvider = {
  name: 'Ollama',
  protocol: 'ollama',
  client: 'ollama',
  streamType: 'application/x-ndjson',
  stream: (states) => [
    ...SAID.map((content) => `${JSON.stringify({ ...HEAD, message: said(content), done: false })}\n`),
    done('', states),
  ],
  whole: (states) => done(ALL_SAID, states),
  cases: [
    { what: 'both counts', states: ['{"prompt_eval_count":100,"eval_count":40}'], ...AS_PLAIN },
    { what: 'no count of a prompt that was cached', states: ['{"eval_count":40}'], ...OUTPUT_ONLY },
    { what: 'no count of its answer', states: ['{"prompt_eval_count":100}'], ...INPUT_ONLY },
    { what: 'nothing', states: ['{}'], ...AS_ESTIMATED },
    { what: 'zeros', states: ['{"prompt_eval_count":0,"eval_count":0}'], ...AS_ESTIMATED },
    { what: 'a negative prompt', states: ['{"prompt_eval_count":-100,"eval_count":40}'], ...OUTPUT_ONLY },
    { what: 'an endless answer', states: ['{"prompt_eval_count":100,"eval_count":1e309}'], ...INPUT_ONLY },
    { what: 'texts', states: ['{"prompt_eval_count":"100","eval_count":"40"}'], ...AS_ESTIMATED },
    {
      what: 'a longer answer than may be',
      states: ['{"prompt_eval_count":100,"eval_count":4000}'],
      usage: { uncachedInput: 100, outputText: 500 },
      source: 'reported',
      picos: 2_600_000n, // 100 × 1 000 + 500 × 5 000
      clamped: true,
    },
  ],
};
