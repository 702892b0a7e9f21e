import type { Protocol } from '../../../services/relay/ports.ts';
import { ALL_SAID } from './usage/provider.ts';
import { CLAUDE_USAGE } from './usage/claude.ts';
import { GEMINI_USAGE } from './usage/gemini.ts';
import { OLLAMA_USAGE } from './usage/ollama.ts';
import { OPENAI_LIKE, PLAIN } from './usage/openaiLike.ts';

const [OPENAI] = OPENAI_LIKE;

/** The golden text in place of the words that usage is counted of. */
const said = (json: string | undefined): string | undefined => json?.replace(ALL_SAID, '你好 Überall 👩‍👩‍👧');

/** A whole answer of each provider that can be asked for one; agent platforms are always asked for a stream. */
export const WHOLE_ANSWERS: Readonly<Partial<Record<Protocol, string | undefined>>> = {
  openai: said(OPENAI?.whole?.([PLAIN])),
  claude: said(CLAUDE_USAGE.whole?.(['{"input_tokens":25,"output_tokens":15}'])),
  gemini: said(GEMINI_USAGE.whole?.(['{"promptTokenCount":100,"candidatesTokenCount":40}'])),
  ollama: said(OLLAMA_USAGE.whole?.(['{"prompt_eval_count":100,"eval_count":40}'])),
};
