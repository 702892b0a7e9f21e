import { hash } from 'node:crypto';
import { z } from 'zod';
import { countTexts } from './countTexts.ts';
import { jsonOperation } from './operation.ts';
import { jsonAnswer } from './prepared.ts';
import { usageMember } from './reportedUsage.ts';

const MAX_DOCUMENTS = 2_048;
const MAX_QUERY_CHARACTERS = 32_768;
const DOCUMENTS_PER_SEARCH_UNIT = 100;

const request = z.looseObject({
  model: z.string().min(1),
  query: z.string().min(1).max(MAX_QUERY_CHARACTERS),
  documents: z
    .array(z.union([z.string(), z.looseObject({ text: z.string() })], 'must be a text or an object with one'))
    .min(1)
    .max(MAX_DOCUMENTS),
  top_n: z.int().min(1).nullish(),
  return_documents: z.boolean().nullish(),
});
type Document = z.infer<typeof request>['documents'][number];

/** `POST /v1/rerank`, with the members that Jina gives and those that Cohere gives. */
export const rerank = jsonOperation({
  schema: request,
  said: ({ query }) => query,
  answer({ model, query, documents, top_n, return_documents }, behaviour, rest) {
    const texts = documents.map(textOf);
    const total_tokens = countTexts(texts) + documents.length * countTexts([query]);
    const search_units = Math.ceil(documents.length / DOCUMENTS_PER_SEARCH_UNIT);
    const wanted = wordsIn(rest);
    const results = texts
      .map((text, index) => ({ index, relevance_score: likeness(wanted, wordsIn(text)) }))
      .sort((left, right) => right.relevance_score - left.relevance_score || left.index - right.index)
      .slice(0, top_n ?? documents.length)
      .map((result) => (return_documents ? { ...result, document: { text: texts[result.index] } } : result));
    const answer = {
      id: `rerank-sim-${hash('sha256', JSON.stringify([model, query, documents])).slice(0, 24)}`,
      object: 'list',
      model,
      results,
      meta: { billed_units: { search_units } },
      ...usageMember({ prompt_tokens: total_tokens, total_tokens }, behaviour.usage),
    };
    return jsonAnswer(JSON.stringify(answer), behaviour);
  },
});

function textOf(document: Document): string {
  return typeof document === 'string' ? document : document.text;
}

/** Words in lower case; each Chinese character is one. */
function wordsIn(text: string): ReadonlySet<string> {
  return new Set(text.toLowerCase().match(/\p{Script=Han}|[^\P{L}\p{Script=Han}]+|\p{N}+/gu) ?? []);
}

/** The share of words that two texts have in common: 1 for the same words, 0 for none. */
function likeness(left: ReadonlySet<string>, right: ReadonlySet<string>): number {
  const all = left.size + right.size;
  if (all === 0) return 0;
  const shared = [...left].filter((word) => right.has(word)).length;
  return Math.round((2e4 * shared) / all) / 1e4;
}
