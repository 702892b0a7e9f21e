import type { AnswerEvent } from '../../canonical/answer.ts';
import type { ChannelQuirks } from '../../ports.ts';
import { isObject, objectsIn, textIn, type Json } from '../../wire/json.ts';
import { parseDataUri } from '../../wire/dataUri.ts';

/** Where the vendors put what a model thinks; some give it twice, so one counts. */
const REASONING_FIELDS = ['reasoning_content', 'reasoning'];

/**
 * What a delta or message says beside its tool calls. Of spoken output only the transcript is taken: audio cannot be
 * asked for in this form. An image that is only linked to becomes its address.
 */
export function contentEvents(
  content: Json,
  choice: number,
  { reasoningField }: Pick<ChannelQuirks, 'reasoningField'>,
): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  const say = (type: 'text' | 'thinking' | 'refusal', text: string): void => {
    if (text !== '') events.push({ type, choice, text });
  };
  const reasoning = [reasoningField, ...REASONING_FIELDS].map((field) => textIn(content[field]));
  say('thinking', reasoning.find((text) => text !== '') ?? '');
  say('text', textIn(content['content']));
  for (const part of objectsIn(content['content'])) {
    say('thinking', textOf(part['thinking']));
    say('text', textIn(part['text']));
  }
  say('refusal', textIn(content['refusal']));
  if (isObject(content['audio'])) say('text', textIn(content['audio']['transcript']));
  for (const image of objectsIn(content['images'])) {
    const stated = image['image_url'];
    const url = textIn(isObject(stated) ? stated['url'] : stated);
    const inline = parseDataUri(url);
    if (inline) events.push({ type: 'image', choice, ...inline });
    else say('text', url);
  }
  return events;
}

/** Mistral gives thinking as a list of texts. */
function textOf(value: unknown): string {
  const texts = objectsIn(value).map((part) => textIn(part['text']));
  return textIn(value) + texts.join('');
}
