/** A data URI with base64 data, as several dialects carry images and files. */
export interface InlineData {
  readonly mime: string;
  /** Base64. */
  readonly data: string;
}

export function asDataUri({ mime, data }: InlineData): string {
  return `data:${mime};base64,${data}`;
}

/** Null for anything but a data URI with a media type and base64 data. The data itself may have many MB and is not checked. */
export function parseDataUri(uri: string): InlineData | null {
  if (!/^data:/i.test(uri)) return null;
  const comma = uri.indexOf(',');
  const [mime = '', ...parameters] = comma < 0 ? [] : uri.slice('data:'.length, comma).split(';');
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(mime) || parameters.at(-1)?.trim().toLowerCase() !== 'base64') return null;
  return { mime: mime.toLowerCase(), data: uri.slice(comma + 1) };
}
