import { isUtf8 } from 'node:buffer';
import { parseObject } from '../relay/wire/json.ts';
import { markedType } from '../relay/wire/markedType.ts';

/** Parsing more than this would keep the event loop from everybody else; a longer text is called by its first line. */
const MAX_PARSED_BYTES = 1_048_576;
/** Tab, line feed, form feed and carriage return stand in texts; other control characters do not. */
// eslint-disable-next-line no-control-regex -- These very characters tell text from bytes.
const BINARY = /[\x00-\x08\x0b\x0e-\x1f\x7f]/;

/** What bytes are by their own testimony; what a client or a name claims is not asked. */
export function mediaTypeOf(bytes: Buffer): string {
  const marked = markedType(bytes);
  if (marked !== null) return marked;
  if (isMpegFrame(bytes)) return 'audio/mpeg';
  return isUtf8(bytes) ? textTypeOf(bytes) : 'application/octet-stream';
}

/** An MP3 without tags begins with a frame: eleven set bits, MPEG 1 or 2, layer III, and neither rate is the forbidden one. */
function isMpegFrame(bytes: Buffer): boolean {
  const [first = 0, second = 0, third = 0] = bytes;
  const isSync = first === 0xff && (second & 0xe6) === 0xe2 && (second & 0x18) !== 0x08;
  return isSync && (third & 0xf0) !== 0xf0 && (third & 0x0c) !== 0x0c;
}

function textTypeOf(bytes: Buffer): string {
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  if (BINARY.test(text)) return 'application/octet-stream';
  const trimmed = text.trimStart();
  if (!trimmed.startsWith('{') && !trimmed.startsWith('[')) return 'text/plain';
  const end = trimmed.indexOf('\n');
  const first = end < 0 ? trimmed : trimmed.slice(0, end);
  const isLine = end >= 0 && first.length <= MAX_PARSED_BYTES && parseObject(first) !== null;
  if (isLine && trimmed.slice(end).trim() !== '') return 'application/jsonl';
  return bytes.length <= MAX_PARSED_BYTES && isJson(text) ? 'application/json' : 'text/plain';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Then it is a text like any other.
    return false;
  }
}
