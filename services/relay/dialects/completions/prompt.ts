import type { ChatPrompt } from '../../canonical/prompt.ts';
import type { CompletionsRequest } from './request.ts';

/**
 * The prompt as one user message: models of today chat, so they answer it rather than go on from it. Dropped:
 * `logit_bias`, whose token ids mean nothing to another model, `user`, and members that OpenAI does not know.
 */
export function completionsPrompt({ body, prompt, maxOutput, choices, streamed }: CompletionsRequest): ChatPrompt {
  const { stop } = body;
  return {
    system: [],
    messages: [{ role: 'user', parts: [{ type: 'text', text: prompt }] }],
    tools: [],
    toolChoice: null,
    parallelTools: null,
    sampling: {
      temperature: body.temperature ?? null,
      topP: body.top_p ?? null,
      topK: null,
      presencePenalty: body.presence_penalty ?? null,
      frequencyPenalty: body.frequency_penalty ?? null,
      seed: body.seed ?? null,
      stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    },
    format: null,
    reasoning: null,
    maxOutput,
    choices,
    streamed,
    session: null,
  };
}
