import type { Library } from '../../files/library.ts';
import { noSuchFile } from '../../files/library.ts';
import { rawLines, type RawLine } from './batchLines.ts';
import type { Batch } from './ports.ts';
import type { LineSetting } from './readBatch.ts';

/** The lines of a batch, from our own copy of its input. Throws ApiError when that cannot be read. */
export async function* inputLines(
  library: Library,
  { copyId }: Pick<Batch, 'copyId'>,
  { limits }: LineSetting,
): AsyncGenerator<RawLine, undefined> {
  const copy = await library.findAnybodys(copyId);
  if (!copy) throw noSuchFile('input_file_id');
  yield* rawLines(await library.content(copy), limits.maxLineBytes);
}
