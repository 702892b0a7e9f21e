import path from 'node:path';
import type { ObjectStore } from '../../services/files/ports.ts';
import { diskObjects } from './diskObjects.ts';
import { parseS3Address } from './s3Address.ts';
import { S3Objects } from './s3Objects.ts';

export interface OpenObjects {
  readonly store: ObjectStore;
  close(): Promise<void>;
}

/**
 * Where bytes lie: in the bucket that `url` names, else in the data directory. Several processes that do not share a disk
 * need a bucket. Throws TypeError for an address that is none, or the error of the disk.
 */
export async function openObjects(
  url: string | undefined,
  dataDir: string,
  uniqueName: () => string,
): Promise<OpenObjects> {
  if (url === undefined) {
    const store = await diskObjects(path.join(dataDir, 'objects'), uniqueName);
    return { store, close: () => Promise.resolve() };
  }
  const store = new S3Objects(parseS3Address(url));
  return { store, close: () => store.close() };
}
