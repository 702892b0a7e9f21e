import { ApiError } from '../../http/errors.ts';
import { renderError } from '../../http/renderError.ts';
import { Roster } from '../../roster.ts';
import { Admission } from '../admission.ts';
import type { Intake, IntakePlace } from '../http/intake.ts';
import type { RealtimeUpstream, Upgrade } from './ports.ts';
import { asApiError } from '../../http/asApiError.ts';
import { AUDIO_TOKEN_MS, type AudioTokenMs } from './audio.ts';
import { isOriginAllowed, readHandshake } from './handshake.ts';
import type { OpenCallsParts } from './openCalls.ts';
import { RealtimeSession } from './session.ts';
import type { SessionParts, SessionSetting, SessionTimes } from './sessionParts.ts';

export interface RealtimeParts extends Omit<OpenCallsParts, 'audioTokenMs' | 'maxInputTokens'> {
  readonly upstream: RealtimeUpstream;
  readonly intake: Intake;
  /** Origins of pages that may connect; `*` for all. Programs, which send none, always may. */
  readonly allowedOrigins: readonly string[];
  readonly maxSessions: number;
  readonly audioTokenMs?: AudioTokenMs;
  /** The context window of the models, in tokens; 32 768 by default. Every hold covers it. */
  readonly maxInputTokens?: number;
  readonly times?: Partial<SessionTimes>;
}

const MAX_INPUT_TOKENS = 32_768;
const MAX_EARLY_BYTES = 1_048_576;
/** A key that was revoked is noticed within half of the second in which its sessions must end. */
const RECHECK_MS = 500;

/** Every realtime session of this process, from the request to upgrade to the last settlement. */
export class Realtime {
  readonly #parts: RealtimeParts;
  readonly #sessionParts: SessionParts;
  readonly #admission: Admission;
  readonly #sessions = new Roster<RealtimeSession>();
  readonly #idle = Promise.withResolvers<undefined>();
  #draining = false;

  constructor(parts: RealtimeParts) {
    this.#parts = parts;
    this.#admission = new Admission(parts);
    this.#sessionParts = {
      ...parts,
      audioTokenMs: parts.audioTokenMs ?? AUDIO_TOKEN_MS,
      maxInputTokens: parts.maxInputTokens ?? MAX_INPUT_TOKENS,
      maxEarlyBytes: MAX_EARLY_BYTES,
      times: {
        recheckMs: RECHECK_MS,
        renewMs: Math.floor(parts.holdMs / 2),
        firstFrameMs: 10_000,
        cancelMs: 1_000,
        stallMs: 30_000,
        ...parts.times,
      },
    };
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Answers a request to upgrade. Never throws and never rejects. */
  handle(upgrade: Upgrade): void {
    const requestId = this.#parts.runtime.ids.uuid();
    this.#open(upgrade, requestId).catch((error: unknown) => this.#refuse(upgrade, error, requestId));
  }

  /** Refuses new sessions, tells the open ones, and ends and settles after `graceMs` what has not ended by itself. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const session of this.#sessions.all()) session.drain();
    const cancel = this.#parts.runtime.timers.after(graceMs, () => {
      for (const session of this.#sessions.all()) session.end();
    });
    if (this.#sessions.size > 0) await this.#idle.promise;
    cancel();
  }

  async #open(upgrade: Upgrade, sessionId: string): Promise<void> {
    this.#refuseWhenFull(1);
    const { model, simple, secret } = readHandshake(upgrade.url, upgrade.headers);
    if (!isOriginAllowed(upgrade.headers, this.#parts.allowedOrigins)) throw new ApiError('origin_not_allowed');
    const presented = secret === null ? {} : { authorization: secret };
    const authenticate = () => this.#admission.authenticate(presented);
    const place = this.#parts.intake.enter(authenticate());
    const session = new PlacedSession(this.#sessionParts, { sessionId, simple, authenticate }, place, () => {
      this.#left(session);
    });
    this.#sessions.add(session);
    this.#parts.metrics.inFlight(1);
    try {
      if (model !== null) await session.admit(model);
      this.#refuseWhenFull(0);
    } catch (error) {
      await session.abandon(asApiError(error));
      throw error;
    }
    const client = upgrade.accept({ 'x-request-id': sessionId }, session);
    if (client) session.start(client);
    else await session.abandon(null);
  }

  /** Also while the process stops. `more`: sessions that would come. */
  #refuseWhenFull(more: number): void {
    if (!this.#draining && this.#sessions.size + more <= this.#parts.maxSessions) return;
    throw new ApiError('service_unavailable', { retryAfterMs: 1_000 });
  }

  #left(session: RealtimeSession): void {
    this.#sessions.remove(session);
    this.#parts.metrics.inFlight(-1);
    if (this.#draining && this.#sessions.size === 0) this.#idle.resolve(undefined);
  }

  #refuse(upgrade: Upgrade, error: unknown, requestId: string): void {
    const { runtime, metrics } = this.#parts;
    const told = asApiError(error);
    if (told.code === 'internal_error') runtime.log.error({ error, requestId }, 'a realtime session could not begin');
    metrics.callRefused(told.code);
    const { status, body, headers } = renderError(told, 'openai', requestId);
    upgrade.refuse(status, headers, JSON.stringify(body));
  }
}

/** A session that keeps a place of its key until it is admitted, which may be long after it was opened, or over. */
class PlacedSession extends RealtimeSession {
  readonly #place: IntakePlace;

  constructor(parts: SessionParts, setting: SessionSetting, place: IntakePlace, over: () => void) {
    super(parts, setting, () => {
      place.leave();
      over();
    });
    this.#place = place;
  }

  override async admit(model: string): Promise<void> {
    await super.admit(model);
    this.#place.leave();
  }
}
