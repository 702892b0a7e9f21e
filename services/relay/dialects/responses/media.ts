import { z } from 'zod';
import type { MediaSource, Part } from '../../canonical/prompt.ts';
import { parseDataUri } from '../../wire/dataUri.ts';
import { checked, notValid } from './checked.ts';

const imagePart = z.looseObject({
  image_url: z.string().nullish(),
  file_id: z.string().max(200).nullish(),
  detail: z.enum(['low', 'high', 'auto']).nullish().catch(null),
});
const filePart = z.looseObject({
  file_data: z.string().nullish(),
  file_url: z.string().nullish(),
  file_id: z.string().max(200).nullish(),
  filename: z.string().max(1_000).nullish(),
});

/** An `input_image`. Details that others have no word for count as not said. */
export function readImage(value: unknown, place: string): Part {
  const { image_url: url, file_id: id, detail = null } = checked(value, imagePart, place);
  return { type: 'image', source: readSource(url, id, `${place}.image_url`), detail };
}

/** An `input_file`. */
export function readFile(value: unknown, place: string): Part {
  const { file_data: data, file_url: url, file_id: id, filename = null } = checked(value, filePart, place);
  const member = typeof data === 'string' ? 'file_data' : 'file_url';
  return { type: 'file', source: readSource(data ?? url, id, `${place}.${member}`), name: filename };
}

/** A picture that an earlier answer holds. */
export function readMadeImage(base64: string, format: string): Part {
  return { type: 'image', source: { kind: 'inline', mime: `image/${format}`, data: base64 }, detail: null };
}

function readSource(url: string | null | undefined, id: string | null | undefined, place: string): MediaSource {
  if (typeof url === 'string') return readUrl(url, place);
  if (typeof id === 'string') return { kind: 'providerFile', id };
  throw notValid(place, 'must be given');
}

function readUrl(url: string, place: string): MediaSource {
  if (/^https?:\/\//i.test(url)) return { kind: 'url', url, mime: null };
  const inline = parseDataUri(url);
  if (!inline) throw notValid(place, 'must be an http or https URL, or a data URI with a media type and base64');
  return { kind: 'inline', ...inline };
}
