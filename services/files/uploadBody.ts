import type { IncomingMessage, ServerResponse } from 'node:http';
import { StoreUnavailable } from '../../events/eventStore.ts';
import { ApiError } from '../http/errors.ts';
import type { RelayRoute } from '../http/route.ts';
import type { Admission } from '../relay/admission.ts';
import type { ClientFace } from '../relay/call.ts';
import { ClientConnection, type ClientLimits } from '../relay/http/clientConnection.ts';
import { incomingOf } from '../relay/http/incoming.ts';
import { USUAL_PLACES } from '../relay/http/presentedKey.ts';
import { readBody } from '../relay/http/readBody.ts';
import type { Incoming } from '../relay/operation.ts';
import { readForm, type Form } from '../relay/operations/form/form.ts';
import type { CallerKey } from '../relay/ports.ts';
import type { Runtime } from '../runtime.ts';

/** Beside the file a form has some short fields. */
const FORM_BYTES = 65_536;

export interface UploadSetting {
  readonly admission: Pick<Admission, 'authenticate'>;
  readonly runtime: Runtime;
  readonly clientLimits: ClientLimits;
  readonly maxFileBytes: number;
  /** Forms that may be in memory at the same time. */
  readonly maxUploads: number;
}

/** What becomes of one kind of upload. */
export interface Upload {
  readonly path: string;
  readonly face: ClientFace;
  /** Before the body is read. Throws ApiError. */
  check(incoming: Incoming, key: CallerKey): Promise<void>;
  /** The answer's body. Throws ApiError. */
  take(form: Form, key: CallerKey): Promise<object>;
}

/** Uploads as routes. A form is in memory as a whole, so only so many are read at a time; others are told to come again. */
export function uploadRoutes(setting: UploadSetting, uploads: readonly Upload[]): readonly RelayRoute[] {
  const running = { count: 0 };
  return uploads.map((upload) => ({
    method: 'POST',
    path: upload.path,
    dialect: upload.face.dialect,
    policy: 'apiKey',
    handle: (request, response) => void handle(setting, upload, running, request, response),
  }));
}

/** Never rejects: whatever happens is answered, and logged where it is our fault. */
async function handle(
  setting: UploadSetting,
  upload: Upload,
  running: { count: number },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { runtime, clientLimits } = setting;
  const incoming = incomingOf(request, upload.path, runtime.ids.uuid());
  const client = new ClientConnection(response, upload.face, clientLimits, runtime.timers);
  running.count += 1;
  try {
    if (running.count > setting.maxUploads) throw new ApiError('service_unavailable', { retryAfterMs: 1_000 });
    const key = setting.admission.authenticate(incoming.headers, incoming.query, USUAL_PLACES);
    await upload.check(incoming, key);
    const raw = await readBody(request, setting.maxFileBytes + FORM_BYTES, client, 'multipart');
    const answer = await upload.take(readForm(raw, incoming.headers['content-type']), key);
    client.sendJson(200, ['x-request-id', incoming.requestId], JSON.stringify(answer));
  } catch (error) {
    const told = asApiError(error);
    if (told.code === 'internal_error') runtime.log.error({ error, requestId: incoming.requestId }, 'an upload failed');
    client.fail(told, incoming.requestId);
  } finally {
    running.count -= 1;
  }
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const code = error instanceof StoreUnavailable ? 'service_unavailable' : 'internal_error';
  return new ApiError(code, { cause: error, ...(code === 'service_unavailable' && { retryAfterMs: 1_000 }) });
}
