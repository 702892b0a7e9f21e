import type { UpstreamRequest } from '../../call.ts';
import { isFile, type Form, type FormPart } from './form.ts';

/**
 * The form as a request. `requestId` makes the boundary, which the client could not know when it wrote its parts. Names
 * and types of parts are written as they are: `readForm` lets none pass that would need quoting.
 */
export function formRequest(path: string, form: Form, requestId: string, accept: string): UpstreamRequest {
  const boundary = `tallystick-${requestId}`;
  const pieces = form.flatMap((part) => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${part.name}"${fileHead(part)}\r\n\r\n`),
    isFile(part) ? part.bytes : Buffer.from(part.value),
    Buffer.from('\r\n'),
  ]);
  return {
    method: 'POST',
    path,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, accept },
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

function fileHead(part: FormPart): string {
  return isFile(part) ? `; filename="${part.fileName}"\r\nContent-Type: ${part.mediaType}` : '';
}
