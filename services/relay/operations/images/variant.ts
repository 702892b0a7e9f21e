import { textIn, type Json } from '../../wire/json.ts';

/** As price books spell variants. */
const LABEL = /^[a-z0-9][a-z0-9_.:-]{0,63}$/;
/** What DALL·E makes of a request that does not say. */
const DALL_E = { quality: 'standard', size: '1024x1024' };

/**
 * The variant that a request or an answer names, by which a price book may price images: quality and size, as
 * `hd:1024x1792`. Null when either is left to the provider.
 */
export function imageVariant(source: Json): string | null {
  const usual = textIn(source['model']).startsWith('dall-e') ? DALL_E : { quality: '', size: '' };
  const quality = stated(source['quality']) || usual.quality;
  const size = stated(source['size']) || usual.size;
  const label = `${quality}:${size}`;
  return quality !== '' && size !== '' && LABEL.test(label) ? label : null;
}

function stated(value: unknown): string {
  const text = textIn(value).toLowerCase();
  return text === 'auto' ? '' : text;
}
