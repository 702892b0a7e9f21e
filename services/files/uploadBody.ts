import type { IncomingMessage, ServerResponse } from 'node:http';
import { asApiError } from '../http/asApiError.ts';
import { ApiError } from '../http/errors.ts';
import type { RelayRoute } from '../http/route.ts';
import type { Admission } from '../relay/admission.ts';
import type { ClientFace } from '../relay/call.ts';
import { ClientConnection, type ClientLimits } from '../relay/http/clientConnection.ts';
import { incomingOf } from '../relay/http/incoming.ts';
import { USUAL_PLACES } from '../relay/http/presentedKey.ts';
import { readBody } from '../relay/http/readBody.ts';
import { Tally } from '../relay/http/tally.ts';
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
  /** Forms that may be in memory at the same time: of everybody, and of one account. */
  readonly maxUploads: number;
  readonly maxUploadsOfAccount: number;
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
  const room = new UploadRoom(setting);
  return uploads.map((upload) => ({
    method: 'POST',
    path: upload.path,
    dialect: upload.face.dialect,
    policy: 'apiKey',
    handle: (request, response) => void handle(setting, upload, room, request, response),
  }));
}

/** Never rejects: whatever happens is answered, and logged where it is our fault. */
async function handle(
  setting: UploadSetting,
  upload: Upload,
  room: UploadRoom,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { runtime, clientLimits } = setting;
  const incoming = incomingOf(request, upload.path, runtime.ids.uuid());
  const client = new ClientConnection(response, upload.face, clientLimits, runtime.timers);
  try {
    const key = setting.admission.authenticate(incoming.headers, incoming.query, USUAL_PLACES);
    room.enter(key.accountId);
    try {
      await upload.check(incoming, key);
      const raw = await readBody(request, setting.maxFileBytes + FORM_BYTES, client, 'multipart');
      const answer = await upload.take(readForm(raw, incoming.headers['content-type']), key);
      client.sendJson(200, ['x-request-id', incoming.requestId], JSON.stringify(answer));
    } finally {
      room.leave(key.accountId);
    }
  } catch (error) {
    const told = asApiError(error);
    if (told.code === 'internal_error') runtime.log.error({ error, requestId: incoming.requestId }, 'an upload failed');
    client.fail(told, incoming.requestId);
  }
}

type UploadLimits = Pick<UploadSetting, 'maxUploads' | 'maxUploadsOfAccount'>;

/** The uploads that run now. */
class UploadRoom {
  readonly #limits: UploadLimits;
  readonly #ofAccounts = new Tally();
  #count = 0;

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  /** Throws ApiError; who was let in must leave. */
  enter(accountId: string): void {
    const { maxUploads, maxUploadsOfAccount } = this.#limits;
    if (this.#count >= maxUploads) throw new ApiError('service_unavailable', { retryAfterMs: 1_000 });
    if (!this.#ofAccounts.take(accountId, maxUploadsOfAccount)) {
      throw new ApiError('concurrency_exceeded', {
        detail: 'Too many uploads of this account are in flight.',
        retryAfterMs: 1_000,
        extra: { limit: maxUploadsOfAccount },
      });
    }
    this.#count += 1;
  }

  leave(accountId: string): void {
    this.#ofAccounts.giveBack(accountId);
    this.#count -= 1;
  }
}
