import { z } from 'zod';

const textPart = z.looseObject({ type: z.string().optional(), text: z.string().optional() });
const content = z.union([z.string(), z.array(textPart), z.null()]).optional();
const message = z.looseObject({ role: z.string(), content, name: z.string().optional() });
const positive = z.int().min(1).nullish();

/** As much of a chat completion request as the simulation looks at. */
export const chatRequest = z.looseObject({
  model: z.string().min(1),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: positive,
  max_completion_tokens: positive,
  n: z.literal(1, 'the simulated upstream gives one choice').nullish(),
  tools: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }).optional() })).nullish(),
});
export type ChatRequest = z.infer<typeof chatRequest>;

export function textOf(content: ChatRequest['messages'][number]['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join('\n');
}

/** The text of the last message by the user, empty when there is none. */
export function lastUserText(request: ChatRequest): string {
  return textOf(request.messages.findLast(({ role }) => role === 'user')?.content);
}
