import fc from 'fast-check';
import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as o200k } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import type { ChatBody } from '../../../services/relay/dialects/openai/chatRequest.ts';
import { promptInputBound } from '../../../services/relay/dialects/openai/promptSize.ts';
import { chatRequest } from '../../unit/relay/chatFixtures.ts';

const ANY_TEXT = { disallowedSpecial: new Set<string>() };

/** What a provider counts: every text by its tokenizer, and the overhead of protocols 16.3. */
function counted(body: ChatBody, count: typeof o200k): number {
  const texts = body.messages.flatMap((message) => [
    ...textsOf(message.content),
    ...[message['name'], message['reasoning_content'], message['tool_call_id']].filter(
      (text): text is string => typeof text === 'string',
    ),
    ...(message['tool_calls'] === undefined ? [] : [JSON.stringify(message['tool_calls'])]),
  ]);
  const tools = body.tools ? [JSON.stringify(body.tools)] : [];
  const overhead = 3 + body.messages.length * 4 + (body.tools?.length ?? 0) * 8;
  return [...texts, ...tools].reduce((sum, text) => sum + count(text, ANY_TEXT), overhead);
}

function textsOf(content: ChatBody['messages'][number]['content']): string[] {
  if (typeof content === 'string') return [content];
  return (content ?? []).flatMap((part) => (typeof part['text'] === 'string' ? [part['text']] : []));
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ maxLength: 80 }),
  fc
    .array(fc.constantFrom('你好', '👩‍👩‍👧', '<|endoftext|>', ' ', '\n', 'ﷺ', 'é', '\u{10FFFF}', '\uD83D', '𝕏', '0'), {
      maxLength: 40,
    })
    .map((parts) => parts.join('')),
);
const message = fc.record(
  {
    role: fc.constantFrom('system', 'user', 'assistant', 'tool'),
    content: fc.oneof(
      text,
      fc.array(
        text.map((one) => ({ type: 'text', text: one })),
        { maxLength: 3 },
      ),
    ),
    name: text,
    reasoning_content: text,
    tool_call_id: text,
    tool_calls: fc.array(
      text.map((one) => ({ id: 'c', function: { name: 'f', arguments: one } })),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ['role', 'content'] },
);
const tools = fc.array(
  text.map((one) => ({ type: 'function', function: { name: 'f', description: one } })),
  {
    maxLength: 3,
  },
);

describe('The bound of a prompt', () => {
  it('is never below what a tokenizer counts', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), tools, (messages, given) => {
        const { body } = chatRequest({ messages, ...(given.length === 0 ? {} : { tools: given }) });
        const bound = promptInputBound(body).inputTokens;
        expect(bound).toBeGreaterThanOrEqual(counted(body, o200k));
        expect(bound).toBeGreaterThanOrEqual(counted(body, cl100k));
      }),
      { numRuns: 400 },
    );
  });
});
