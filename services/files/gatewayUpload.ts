import { z } from 'zod';
import { ApiError } from '../http/errors.ts';
import type { Route } from '../http/route.ts';
import type { Part } from '../relay/canonical/prompt.ts';
import { agentOf } from '../relay/dialects/gateway/agents.ts';
import type { Uploads } from '../relay/dialects/gateway/call.ts';
import { GATEWAY_FACE } from '../relay/dialects/gateway/face.ts';
import type { GatewayFile } from '../relay/dialects/gateway/request.ts';
import { filesIn, readFields } from '../relay/operations/form/fields.ts';
import { withinLimit } from '../relay/operations/gateway.ts';
import type { RateLimiter } from '../relay/ports.ts';
import { toInstant, type Clock } from '../runtime.ts';
import { storableText } from '../storableText.ts';
import { downloadOf } from './download.ts';
import { noSuchFile, type Library } from './library.ts';
import type { StoredFile } from './ports.ts';
import { isSigned, signedLink } from './signedLink.ts';
import type { Upload } from './uploadBody.ts';

/** Files of conversations are not kept longer than the conversations. */
const KEPT_MS = 30 * 86_400_000;
/** How long an address can be read, seconds: longer than any call, and not for ever. */
const LINK_SECONDS = 3_600;

const fields = z.object({ created_by: storableText.min(1).max(256) });

export interface FileLinks {
  /** The derived key that signs addresses of files. */
  readonly key: Buffer;
  /** Where this service is reached from outside: platforms fetch files from there. */
  readonly publicUrl: string;
  readonly clock: Clock;
}

/** `POST /api/v1/upload` of the agent gateway. */
export function gatewayUpload(library: Library, links: FileLinks, limiter: RateLimiter): Upload {
  return {
    path: '/api/v1/upload',
    face: GATEWAY_FACE,
    async check({ headers }, key) {
      agentOf(headers);
      await withinLimit(limiter, 'upload', key.keyId);
    },
    async take(form, { accountId }) {
      const { created_by: createdBy } = readFields(form, { created_by: 'text' }, fields);
      const [file] = filesIn(form, 'file', 1, 1);
      if (!file) throw new ApiError('invalid_request', { detail: 'file: is missing', param: 'file' });
      const { fileName: name, bytes } = file;
      const stored = await library.add({ accountId, name, bytes, purpose: 'user_data', createdBy, keptMs: KEPT_MS });
      return { code: 0, msg: 'Success', data: uploaded(stored, linkOf(links, stored)) };
    },
  };
}

function uploaded({ id, name, bytes, mediaType, createdBy, createdAt }: StoredFile, url: string) {
  return {
    id,
    url,
    name,
    size: bytes,
    mime_type: mediaType,
    created_by: createdBy,
    created_at: toInstant(createdAt),
  };
}

function linkOf({ key, publicUrl, clock }: FileLinks, file: StoredFile): string {
  return signedLink(key, publicUrl, file.id, Math.floor(clock.now() / 1_000) + LINK_SECONDS);
}

/** `GET /files/:id` for whoever has a signed address; without one, or with an old one, there is nothing here. */
export function fileLinkRoute(library: Library, { key, clock }: FileLinks): Route {
  return {
    method: 'GET',
    path: '/files/:id',
    dialect: 'gateway',
    policy: 'public',
    async handle({ params: { id = '' }, query }) {
      const file = isSigned(key, id, query, clock.now()) ? await library.findAnybodys(id) : null;
      if (!file) throw noSuchFile();
      return downloadOf(library, file);
    },
  };
}

/** The account's own uploads among the files of a chat, as parts that a platform fetches; ids of others are left out. */
export async function uploadsOf(
  library: Library,
  links: FileLinks,
  accountId: string,
  files: readonly GatewayFile[],
): Promise<Uploads> {
  const uploads = new Map<string, Part>();
  for (const file of files) {
    if (file.kind !== 'upload' || uploads.has(file.id)) continue;
    const found = await library.find(accountId, file.id).catch((error: unknown) => {
      if (error instanceof ApiError && error.code === 'not_found') return null;
      throw error;
    });
    if (found) uploads.set(file.id, partOf(found, linkOf(links, found)));
  }
  return uploads;
}

function partOf({ mediaType, name }: StoredFile, url: string): Part {
  const source = { kind: 'url', url, mime: mediaType } as const;
  if (mediaType.startsWith('image/')) return { type: 'image', source, detail: null };
  if (mediaType.startsWith('audio/')) return { type: 'audio', source };
  return { type: 'file', source, name };
}
