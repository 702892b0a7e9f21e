import { z } from 'zod';
import { BATCH_FILES_KEPT_MS, openaiPage, readQuery } from '../../files/openaiFiles.ts';
import { ApiError } from '../../http/errors.ts';
import type { Call, Reply, Route } from '../../http/route.ts';
import { storableText } from '../../storableText.ts';
import type { CallerKey } from '../ports.ts';
import { batchObject } from './batchView.ts';
import type { Batch } from './ports.ts';
import { submitBatch, type BatchWish, type SubmitParts } from './submit.ts';

/** OpenAI allows sixteen pairs. */
const metadata = z
  .record(storableText.min(1).max(64), storableText.max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'may have 16 pairs');

const createBody = z.looseObject({
  input_file_id: z.string().min(1).max(64),
  endpoint: z.string().max(100),
  completion_window: z.literal('24h'),
  metadata: metadata.nullish(),
  output_expires_after: z
    .looseObject({ anchor: z.literal('created_at'), seconds: z.int().min(3_600).max(2_592_000) })
    .nullish(),
});

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  after: storableText.max(64).optional(),
});

/** Batches as OpenAI has them, each account its own. */
export function batchRoutes(parts: SubmitParts): readonly Route[] {
  const { records, runtime } = parts;
  const own = async ({ params: { id = '' } }: Call, { accountId }: CallerKey): Promise<Batch> => {
    const batch = await records.find(id);
    if (batch?.accountId === accountId) return batch;
    throw new ApiError('not_found', { detail: 'There is no such batch.', param: 'batch_id' });
  };
  return [
    at('POST', '/v1/batches', async (call, key) => shown(await submitBatch(parts, key, wishOf(call)))),
    at('GET', '/v1/batches', async ({ query }, { accountId }) => {
      const { limit, after } = readQuery(listQuery, query);
      const found = await records.list(accountId, after ?? null, limit + 1);
      return { status: 200, body: openaiPage(found.map(batchObject), limit) };
    }),
    at('GET', '/v1/batches/:id', async (call, key) => shown(await own(call, key))),
    at('POST', '/v1/batches/:id/cancel', async (call, key) => {
      const batch = await own(call, key);
      await records.cancel(batch.id, runtime.clock.now());
      // Whoever works on it notices with the next result; where nobody does, somebody is asked to.
      await parts.queue.request(batch.id).catch((error: unknown) => {
        runtime.log.warn({ error, batch: batch.id }, 'a cancelled batch was not asked for; it will be');
      });
      return shown(await own(call, key));
    }),
  ];
}

function at(method: Route['method'], path: string, handle: (call: Call, key: CallerKey) => Promise<Reply>): Route {
  return { method, path, dialect: 'openai', policy: 'apiKey', handle };
}

function shown(batch: Batch): Reply {
  return { status: 200, body: batchObject(batch) };
}

function wishOf({ body, headers }: Call): BatchWish {
  const parsed = createBody.safeParse(body ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const param = issue?.path.join('.') ?? '';
    const detail = `${param || 'body'}: ${issue?.message ?? 'not valid'}`;
    throw new ApiError('invalid_request', { detail, ...(param !== '' && { param }) });
  }
  const { input_file_id: inputFileId, endpoint, metadata: pairs, output_expires_after: expiry } = parsed.data;
  const key = headers['idempotency-key'];
  if (key !== undefined && (typeof key !== 'string' || key.length === 0 || key.length > 255)) {
    throw new ApiError('invalid_request', { detail: 'Idempotency-Key must have 1 to 255 characters.' });
  }
  return {
    inputFileId,
    endpoint,
    metadata: pairs ?? null,
    filesKeptMs: expiry ? expiry.seconds * 1_000 : BATCH_FILES_KEPT_MS,
    idempotency: key === undefined ? null : { key, body: JSON.stringify(body) },
  };
}
