import { ApiError } from '../../../http/errors.ts';
import type { Part } from '../../canonical/prompt.ts';

/** How the base64 of an image begins. Ollama's images do not say what they are, and other providers want to know. */
const OPENINGS: readonly (readonly [opening: RegExp, mime: string])[] = [
  [/^iVBORw0KGgo/, 'image/png'],
  [/^\/9j\//, 'image/jpeg'],
  [/^R0lGOD/, 'image/gif'],
  // `RIFF`, four bytes of size, `WEBP`.
  [/^UklGR.{6}XRUJQ/, 'image/webp'],
];

/** Raw base64 as an image. Throws ApiError for one of unknown kind; URLs and data URIs are no base64 either. */
export function imagePart(data: string): Part {
  const mime = OPENINGS.find(([opening]) => opening.test(data))?.[1];
  if (mime === undefined) {
    throw new ApiError('invalid_request', {
      detail: 'images: must be the base64 of PNG, JPEG, GIF or WEBP, without a prefix',
      param: 'images',
    });
  }
  return { type: 'image', source: { kind: 'inline', mime, data }, detail: null };
}
