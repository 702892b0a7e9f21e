import { hash } from 'node:crypto';
import { z } from 'zod';
import { jsonOperation } from './operation.ts';
import { jsonAnswer } from './prepared.ts';

const MAX_INPUTS = 2_048;
const part = z.union([
  z.looseObject({ type: z.literal('text'), text: z.string() }),
  z.looseObject({ type: z.literal('image_url'), image_url: z.looseObject({ url: z.string().min(1) }) }),
]);
const request = z.looseObject({
  model: z.string().min(1).nullish(),
  input: z.union(
    [z.string(), z.array(z.string()).min(1).max(MAX_INPUTS), z.array(part).min(1).max(MAX_INPUTS)],
    `must be a text, or a list of 1 to ${String(MAX_INPUTS)} texts or parts`,
  ),
});

/** One thing to judge. */
interface Subject {
  readonly text: string;
  readonly hasImage: boolean;
}

/** Those of which an image can be accused too stand first. */
const OF_IMAGES = ['self-harm', 'self-harm/intent', 'self-harm/instructions', 'sexual', 'violence', 'violence/graphic'];
const CATEGORIES = [
  ...OF_IMAGES,
  ...[
    'harassment',
    'harassment/threatening',
    'hate',
    'hate/threatening',
    'illicit',
    'illicit/violent',
    'sexual/minors',
  ],
];

/** `POST /v1/moderations`: objects to the word "violence", whatever its case, and to nothing else. */
export const moderations = jsonOperation({
  schema: request,
  said: ({ input }) =>
    subjectsIn(input)
      .map(({ text }) => text)
      .join('\n'),
  answer({ model, input }, behaviour) {
    const digest = hash('sha256', JSON.stringify(input)).slice(0, 24);
    const answer = {
      id: `modr-sim-${digest}`,
      model: model ?? 'omni-moderation-latest',
      results: subjectsIn(input).map(judged),
    };
    return jsonAnswer(JSON.stringify(answer), behaviour);
  },
});

/** Each text by itself; parts belong together. */
function subjectsIn(input: z.infer<typeof request>['input']): readonly Subject[] {
  const items = typeof input === 'string' ? [input] : input;
  const texts = items.filter((item) => typeof item === 'string');
  if (texts.length > 0) return texts.map((text) => ({ text, hasImage: false }));
  const parts = items.filter((item) => typeof item !== 'string');
  const text = parts.map((item) => (item.type === 'text' ? item.text : '')).join('\n');
  return [{ text, hasImage: parts.some((item) => item.type === 'image_url') }];
}

function judged({ text, hasImage }: Subject): object {
  const flagged = /\bviolence\b/i.test(text);
  const each = <Value>(of: (category: string) => Value) =>
    Object.fromEntries(CATEGORIES.map((category) => [category, of(category)]));
  return {
    flagged,
    categories: each((category) => flagged && category === 'violence'),
    category_scores: each((category) => (flagged && category === 'violence' ? 0.99 : 0.01)),
    category_applied_input_types: each((category) => [
      'text',
      ...(hasImage && OF_IMAGES.includes(category) ? ['image'] : []),
    ]),
  };
}
