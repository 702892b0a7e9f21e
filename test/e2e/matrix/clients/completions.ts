import { all, hearUntil, outputLimit, type DialectClient, type Target, type Wish } from './client.ts';
import { TOOL_FEATURES } from '../features.ts';
import { OPENAI_FAILURES, openaiFailure, openaiSdk } from './openaiChat.ts';

/** `openai`: the completions that came before chat. */
export function completions(target: Target): DialectClient {
  const sdk = openaiSdk(target).completions;
  return {
    name: 'openai completions',
    finishes: { stop: 'stop', tools: 'stop', length: 'length' },
    unsupported: 'unsupported_parameter',
    lacks: new Set([...TOOL_FEATURES, 'image']),
    asksForThinking: false,
    showsThinking: false,
    failures: OPENAI_FAILURES,
    async ask(wish) {
      const parts = wish.streamed
        ? await all(await sdk.create({ ...bodyOf(wish), stream: true, stream_options: { include_usage: true } }))
        : [await sdk.create(bodyOf(wish))];
      const choices = parts.flatMap((part) => part.choices);
      const usage = parts.findLast((part) => part.usage)?.usage;
      return {
        text: choices.map(({ text }) => text).join(''),
        thinking: '',
        calls: [],
        finish: choices.at(-1)?.finish_reason ?? null,
        tokens: usage ? [usage.prompt_tokens, usage.completion_tokens] : null,
      };
    },
    async leave(wish, pieces) {
      const stream = await sdk.create({ ...bodyOf(wish), stream: true });
      async function* texts() {
        for await (const chunk of stream) yield chunk.choices[0]?.text ?? '';
      }
      return hearUntil(texts(), pieces, () => stream.controller.abort());
    },
    failureOf: openaiFailure,
  };
}

function bodyOf(wish: Wish) {
  return { model: wish.model, prompt: wish.prompt, max_tokens: outputLimit(wish) };
}
