import { isUtf8 } from 'node:buffer';
import { ApiError } from '../../../http/errors.ts';
import { safeFileName } from './fileName.ts';

export interface FormText {
  readonly name: string;
  readonly value: string;
}

export interface FormFile {
  readonly name: string;
  /** Safe to show and to send; never a path. */
  readonly fileName: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export type FormPart = FormText | FormFile;

/** In the order of the client. */
export type Form = readonly FormPart[];

export function isFile(part: FormPart): part is FormFile {
  return 'bytes' in part;
}

/** The largest forms have some twenty fields and as many files. */
const MAX_PARTS = 128;
/** A prompt has at most 32 000 characters. */
const MAX_TEXT_BYTES = 131_072;
const MAX_HEAD_BYTES = 8_192;
const FIELD_NAME = /^[\w.-]{1,64}(\[\w{0,32}\])?$/;
const MEDIA_TYPE = /^[\w.+-]{1,64}\/[\w.+-]{1,64}/;
const BOUNDARY = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i;
const PLAIN_ENCODINGS: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary']);

/**
 * Reads a `multipart/form-data` body (RFC 7578) strictly: what readers could understand differently is refused. Files
 * are views of the body. Throws ApiError `invalid_request`.
 */
export function readForm(raw: Buffer, contentType: string | undefined): Form {
  const [, quoted, plain] = BOUNDARY.exec(contentType ?? '') ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw unreadable('The form has no boundary.');
  const opening = Buffer.from(`--${boundary}`);
  if (raw.indexOf(opening) !== 0) throw unreadable('The body does not begin with its boundary.');
  const closing = Buffer.from(`\r\n--${boundary}`);
  const form: FormPart[] = [];
  let at = opening.length;
  while (raw.toString('latin1', at, at + 2) !== '--') {
    if (form.length === MAX_PARTS) throw unreadable('The form has too many parts.');
    const headEnd = raw.indexOf('\r\n\r\n', at);
    const end = headEnd < 0 ? -1 : raw.indexOf(closing, headEnd + 4);
    if (end < 0) throw unreadable('The form is cut short.');
    if (headEnd - at > MAX_HEAD_BYTES) throw unreadable('A part of the form has too large a head.');
    form.push(readPart(raw.toString('utf8', at, headEnd), raw.subarray(headEnd + 4, end)));
    at = end + closing.length;
  }
  return form;
}

function readPart(head: string, bytes: Buffer): FormPart {
  const headers = headersIn(head);
  const parameters = parametersIn(headers.get('content-disposition') ?? '');
  const name = parameters.get('name') ?? '';
  if (!FIELD_NAME.test(name)) throw unreadable('A field of the form has no valid name.');
  if (!PLAIN_ENCODINGS.has((headers.get('content-transfer-encoding') ?? 'binary').toLowerCase())) {
    throw new ApiError('invalid_request', { detail: `${name}: is encoded`, param: name });
  }
  const fileName = parameters.get('filename') ?? parameters.get('filename*');
  if (fileName !== undefined) {
    const mediaType = MEDIA_TYPE.exec(headers.get('content-type') ?? '')?.[0] ?? 'application/octet-stream';
    return { name, fileName: safeFileName(fileName), mediaType, bytes };
  }
  if (bytes.length > MAX_TEXT_BYTES || !isUtf8(bytes)) {
    throw new ApiError('invalid_request', { detail: `${name}: must be a short text in UTF-8`, param: name });
  }
  return { name, value: bytes.toString('utf8') };
}

/** What follows a boundary up to the blank line: the rest of its own line, then header lines. */
function headersIn(head: string): ReadonlyMap<string, string> {
  const [rest = '', ...lines] = head.split('\r\n');
  if (rest.trim() !== '') throw unreadable('A boundary of the form is followed by something else.');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([\w-]{1,64}):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined || headers.has(name.toLowerCase())) {
      throw unreadable('A part of the form has a head that is not valid.');
    }
    headers.set(name.toLowerCase(), value.trim());
  }
  return headers;
}

/** The parameters of a `form-data` disposition; none may stand twice. A quoted value keeps its backslashes. */
function parametersIn(disposition: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  const parameter = /\s*;\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/y;
  const kind = /^form-data/i.exec(disposition)?.[0];
  if (kind === undefined) throw unreadable('A part of the form is no field.');
  let at = kind.length;
  while (at < disposition.length) {
    parameter.lastIndex = at;
    const [whole, name, quoted, plain] = parameter.exec(disposition) ?? [];
    if (whole === undefined || name === undefined || parameters.has(name.toLowerCase())) {
      throw unreadable('A field of the form has a head that is not valid.');
    }
    parameters.set(name.toLowerCase(), quoted ?? plain ?? '');
    at += whole.length;
  }
  return parameters;
}

function unreadable(detail: string): ApiError {
  return new ApiError('invalid_request', { detail });
}
