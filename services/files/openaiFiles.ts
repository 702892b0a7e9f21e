import { z } from 'zod';
import { ApiError } from '../http/errors.ts';
import type { Call, Reply, Route } from '../http/route.ts';
import { OPENAI_FACE } from '../relay/dialects/openai/face.ts';
import { filesIn, readFields } from '../relay/operations/form/fields.ts';
import type { Form } from '../relay/operations/form/form.ts';
import type { CallerKey, RateLimiter } from '../relay/ports.ts';
import { storableText } from '../storableText.ts';
import { downloadOf } from './download.ts';
import type { Library } from './library.ts';
import { PURPOSES, type StoredFile } from './ports.ts';
import type { Upload } from './uploadBody.ts';

export const DAY_MS = 86_400_000;
/** OpenAI forgets the files of batches after 30 days, and the others never, unless told otherwise. */
export const BATCH_FILES_KEPT_MS = 30 * DAY_MS;
/** Uploads of a key per minute, beside its own limits: each may be many megabytes. */
const UPLOADS_PER_MINUTE = 60;
const MAX_PAGE = 10_000;

const fields = z.object({ purpose: z.enum(PURPOSES) });
/** OpenAI allows from an hour to thirty days. */
const keptSeconds = z.coerce.number().int().min(3_600).max(2_592_000);

/** `POST /v1/files`. */
export function openaiUpload(library: Library, limiter: RateLimiter): Upload {
  return {
    path: '/v1/files',
    face: OPENAI_FACE,
    async check(_incoming, key) {
      const limits = { requestsPerMinute: UPLOADS_PER_MINUTE, tokensPerMinute: null };
      const { allowed, retryAfterMs } = await limiter.take(`files:${key.keyId}`, limits, 0);
      if (!allowed) throw new ApiError('rate_limit_exceeded', { retryAfterMs });
    },
    async take(form, { accountId }) {
      const { purpose } = readFields(form, { purpose: 'text' }, fields);
      const [file] = filesIn(form, 'file', 1, 1);
      if (!file) throw new ApiError('invalid_request', { detail: 'file: is missing', param: 'file' });
      const keptMs = keptMsOf(form) ?? (purpose === 'batch' ? BATCH_FILES_KEPT_MS : null);
      const { fileName: name, bytes } = file;
      return fileObject(await library.add({ accountId, name, bytes, purpose, createdBy: null, keptMs }));
    },
  };
}

/** `expires_after[anchor]` and `expires_after[seconds]`; null when neither is given. */
function keptMsOf(form: Form): number | null {
  const valuesOf = (name: string) =>
    form.flatMap((part) => (part.name === `expires_after[${name}]` && 'value' in part ? [part.value] : []));
  const [anchor, ...anchors] = valuesOf('anchor');
  const [seconds, ...others] = valuesOf('seconds');
  if (anchor === undefined && seconds === undefined) return null;
  const parsed = keptSeconds.safeParse(seconds);
  if (anchor !== 'created_at' || !parsed.success || anchors.length + others.length > 0) {
    const detail = 'expires_after: must have the anchor "created_at" and 3600 to 2592000 seconds';
    throw new ApiError('invalid_request', { detail, param: 'expires_after' });
  }
  return parsed.data * 1_000;
}

/** Everything about files but their upload, each account its own. */
export function openaiFileRoutes(library: Library): readonly Route[] {
  return [
    at('GET', '/v1/files', async ({ query }, key) => ok(await listed(library, key, query))),
    at('GET', '/v1/files/:id', async ({ params }, key) => ok(fileObject(await found(library, params, key)))),
    at('DELETE', '/v1/files/:id', async ({ params: { id = '' } }, { accountId }) => {
      await library.remove(accountId, id);
      return ok({ id, object: 'file', deleted: true });
    }),
    at('GET', '/v1/files/:id/content', async ({ params }, key) =>
      downloadOf(library, await found(library, params, key)),
    ),
  ];
}

function found(library: Library, { id = '' }: Call['params'], { accountId }: CallerKey): Promise<StoredFile> {
  return library.find(accountId, id);
}

function at(method: Route['method'], path: string, handle: (call: Call, key: CallerKey) => Promise<Reply>): Route {
  return { method, path, dialect: 'openai', policy: 'apiKey', handle };
}

function ok(body: unknown) {
  return { status: 200, body };
}

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(MAX_PAGE),
  order: z.enum(['asc', 'desc']).default('desc'),
  after: storableText.max(64).optional(),
  purpose: storableText.max(64).optional(),
});

async function listed(library: Library, { accountId }: CallerKey, query: URLSearchParams) {
  const { limit, order, after, purpose } = readQuery(listQuery, query);
  const found = await library.list(accountId, {
    purpose: purpose ?? null,
    after: after ?? null,
    newestFirst: order === 'desc',
    limit: limit + 1,
  });
  return openaiPage(found.map(fileObject), limit);
}

/** The parameters of a query by a schema. Throws ApiError `invalid_request` with the first that is not valid. */
export function readQuery<Query>(schema: z.ZodType<Query>, query: URLSearchParams): Query {
  const parsed = schema.safeParse(Object.fromEntries(query));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = issue?.path.join('.') ?? '';
  throw new ApiError('invalid_request', { detail: `${param}: ${issue?.message ?? 'not valid'}`, param });
}

/** A page as OpenAI's clients walk it; `found` has one more than `limit` where there is a next page. */
export function openaiPage<Item extends { readonly id: string }>(found: readonly Item[], limit: number) {
  const data = found.slice(0, limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: found.length > limit,
  };
}

export function fileObject({ id, bytes, createdAt, expiresAt, name, purpose }: StoredFile) {
  return {
    id,
    object: 'file' as const,
    bytes,
    created_at: Math.floor(createdAt / 1_000),
    filename: name,
    purpose,
    status: 'processed' as const,
    ...(expiresAt !== null && { expires_at: Math.floor(expiresAt / 1_000) }),
  };
}
