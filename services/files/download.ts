import type { Reply } from '../http/route.ts';
import type { Library } from './library.ts';
import type { StoredFile } from './ports.ts';

/**
 * A file on its way out. It is always saved and never shown: whatever an account has uploaded, it must not run as a page
 * of ours. Names have no character that a header would need to quote.
 */
export async function downloadOf(library: Library, file: StoredFile): Promise<Reply> {
  return {
    status: 200,
    body: undefined,
    download: await library.content(file),
    headers: {
      'content-type': file.mediaType,
      'content-length': String(file.bytes),
      'content-disposition': `attachment; filename="${file.name}"`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'cache-control': 'private, no-store',
    },
  };
}
