import { z } from 'zod';
import { ApiError } from '../../http/errors.ts';
import { readJsonBody, spellingOf } from '../wire/jsonBody.ts';
import type { Json } from '../wire/json.ts';

/** One line of an input file, as text. */
export interface RawLine {
  /** From 0, among the lines that are not blank. */
  readonly line: number;
  readonly bytes: Buffer;
}

/** One request of a batch. */
export interface BatchLine {
  readonly customId: string;
  readonly url: string;
  /** The body of the call: our own spelling of what the client wrote, so that nobody reads it differently. */
  readonly body: Buffer;
}

const lineSchema = z.looseObject({
  custom_id: z.string().min(1).max(512),
  method: z.literal('POST'),
  url: z.string().max(100),
  body: z.custom<Json>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'must be an object',
  ),
});
const MEMBERS = spellingOf(Object.keys(lineSchema.shape));
/** A body stands one level deeper in its line. */
const DEEPER = 1;

const LINE_FEED = 0x0a;
const BLANK = /^[\s\uFEFF]*$/;

/** The lines of a JSONL text, however its bytes are cut. Throws ApiError `invalid_request` for one that is too long. */
export async function* rawLines(bytes: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<RawLine> {
  let line = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  const kept = (piece: Buffer): void => {
    rest.push(piece);
    restBytes += piece.length;
    if (restBytes > maxLineBytes) throw lineProblem(line, `is longer than ${String(maxLineBytes)} bytes`);
  };
  const taken = (): Buffer => {
    const whole = Buffer.concat(rest);
    rest = [];
    restBytes = 0;
    return whole;
  };
  for await (const chunk of bytes) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    for (let at = buffer.indexOf(LINE_FEED); at >= 0; at = buffer.indexOf(LINE_FEED, from)) {
      kept(buffer.subarray(from, at));
      from = at + 1;
      const whole = taken();
      if (!isBlank(whole)) yield { line: line++, bytes: whole };
    }
    kept(buffer.subarray(from));
  }
  const last = taken();
  if (!isBlank(last)) yield { line, bytes: last };
}

function isBlank(bytes: Buffer): boolean {
  return bytes.length < 16 && BLANK.test(bytes.toString('utf8'));
}

/** Throws ApiError `invalid_request` that names the line. */
export function readLine({ line, bytes }: RawLine, maxDepth: number): BatchLine {
  const text = line === 0 ? withoutMark(bytes) : bytes;
  const {
    custom_id: customId,
    url,
    body,
  } = inLine(line, () => readJsonBody(text, maxDepth + DEEPER, lineSchema, MEMBERS));
  return { customId, url, body: Buffer.from(JSON.stringify(body)) };
}

/** Some editors put a byte order mark before the first line. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).equals(Buffer.from('\uFEFF')) ? bytes.subarray(3) : bytes;
}

/** Runs `work`; an ApiError of it names the line. */
export function inLine<T>(line: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw namingLine(line, error);
  }
}

/** What is wrong with a line is wrong with the file. */
export function namingLine(line: number, error: unknown): unknown {
  return error instanceof ApiError ? lineProblem(line, `: ${error.message}`, error) : error;
}

/** People count lines from 1. */
export function lineProblem(line: number, problem: string, cause?: unknown): ApiError {
  const separator = problem.startsWith(':') ? '' : ' ';
  return new ApiError('invalid_request', {
    detail: `Line ${String(line + 1)} of the input file${separator}${problem}`,
    param: 'input_file_id',
    cause,
  });
}
