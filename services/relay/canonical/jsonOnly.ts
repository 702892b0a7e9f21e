import type { TextPart } from './prompt.ts';

/** For upstreams that give JSON without a schema only when the conversation asks for it. */
export const JSON_ONLY: TextPart = { type: 'text', text: 'Answer with one JSON object and nothing else.' };
