import { ApiError } from '../../../http/errors.ts';
import type { OllamaChatBody, OllamaMessage } from './request.ts';

/**
 * The messages, with the images that stand beside them put to the last message of a user: an Ollama server would ignore
 * them there. Throws ApiError when no message is a user's.
 */
export function withOuterImages({ messages, images }: OllamaChatBody): readonly OllamaMessage[] {
  if (!images?.length) return messages;
  const place = messages.findLastIndex(({ role }) => role === 'user');
  if (place < 0) {
    throw new ApiError('invalid_request', { detail: 'images: there is no message of a user', param: 'images' });
  }
  return messages.map((message, index) =>
    index === place ? { ...message, images: [...(message.images ?? []), ...images] } : message,
  );
}
