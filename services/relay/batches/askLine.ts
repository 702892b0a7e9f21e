import { hash } from 'node:crypto';
import { ERRORS, type ErrorCode } from '../../http/errors.ts';
import { renderError } from '../../http/renderError.ts';
import type { Runtime } from '../../runtime.ts';
import { withCosts } from '../attemptCosts.ts';
import type { Bounds, Passage, PassageContext, RelayCall } from '../call.ts';
import { usedBy, verdictError, verdictOf } from '../callExchange.ts';
import type { Channel, Router, TokenEstimator, Upstream } from '../ports.ts';
import type { Verdict } from '../routing/classify.ts';
import { reportVerdict } from '../routing/router.ts';
import { NOTHING_USED, settle, type AdmittedCall, type MeasuredUsage } from '../settle.ts';
import { UpstreamAttempt, type AttemptResult, type Recipient } from '../upstreamAttempt.ts';
import { measureUsage } from '../usage/measureUsage.ts';
import { acceptedIn } from './acceptedIn.ts';
import { BATCH_VARIANT } from './batchPrice.ts';
import type { Batch, LineResult } from './ports.ts';

export interface AskParts {
  readonly upstream: Upstream;
  readonly router: Router;
  readonly estimator: TokenEstimator;
  readonly runtime: Runtime;
}

/** What was learned of a line, for its file and its bill. */
export type LineAnswer = Pick<LineResult, 'succeeded' | 'usage' | 'source' | 'channel' | 'costPicos'> & {
  readonly status: number;
  /** JSON text without a line feed. */
  readonly body: string;
};

/** Nobody waits for a line, so there is time to let a provider recover. */
const PAUSES_MS = [2_000, 15_000] as const;

/** Stands where a client would be. Leaves when `signal` says so. */
class NobodyWaiting implements Recipient {
  readonly #signal: AbortSignal;
  #listener: (reason: 'shutdown') => void = () => undefined;
  readonly #leave = (): void => this.#listener('shutdown');

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#leave, { once: true });
  }

  get gone(): 'shutdown' | null {
    return this.#signal.aborted ? 'shutdown' : null;
  }

  /** The attempt is over. */
  forget(): void {
    this.#signal.removeEventListener('abort', this.#leave);
  }

  whenGone(listener: (reason: 'shutdown') => void): void {
    this.#listener = listener;
    if (this.gone) listener(this.gone);
  }

  whenDrained(): void {
    // Nothing is ever written that could wait.
  }

  beginStream(): void {
    // What is not streamed has no beginning.
  }

  write(): boolean {
    return true;
  }
}

/**
 * Asks the channels of a model for one line, as for any call, and again after a pause while their failures may pass.
 * Null when `signal` cut it short: then nothing is known of it. `requestId` is the line's own. What a line is billed is
 * cut to what was held for it.
 */
export async function askLine(
  parts: AskParts,
  batch: Batch,
  call: RelayCall,
  bounds: Bounds,
  requestId: string,
  signal: AbortSignal,
): Promise<LineAnswer | null> {
  for (let round = 0; ; round += 1) {
    const answer = await askChannels(parts, batch, call, bounds, requestId, signal);
    if (answer === null || !('code' in answer)) return answer;
    const pauseMs = PAUSES_MS[round];
    if (!ERRORS[answer.code].retry || pauseMs === undefined)
      return failed(answer, NOTHING_USED, batch, bounds, requestId);
    if (!(await paused(parts.runtime, Math.max(pauseMs, Math.min(answer.retryAfterMs ?? 0, 60_000)), signal)))
      return null;
  }
}

async function askChannels(
  parts: AskParts,
  batch: Batch,
  call: RelayCall,
  bounds: Bounds,
  requestId: string,
  signal: AbortSignal,
): Promise<LineAnswer | Verdict | null> {
  let verdict: Verdict | null = null;
  const context = contextOf(batch, requestId);
  for (const channel of parts.router.candidates(batch.model, batch.mode)) {
    const passage = await passageOf(call, channel, context);
    if (signal.aborted) return null;
    if ('code' in passage) {
      verdict ??= passage;
      continue;
    }
    const recipient = new NobodyWaiting(signal);
    const attempt = new UpstreamAttempt(channel, passage, recipient, [], parts.runtime);
    const result = await attempt.run(parts.upstream, requestId).finally(() => recipient.forget());
    if (result.kind === 'left') return null;
    if (result.kind === 'answered') {
      parts.router.succeeded(channel);
      return answered(parts, batch, call, bounds, channel, attempt, result);
    }
    reportVerdict(parts.router, channel, result.verdict);
    verdict = result.verdict;
    if (verdict.code === 'content_filter' && result.kind === 'refused') {
      return failed(verdict, usedBy(result.reported), batch, bounds, requestId);
    }
    if (!verdict.failOver) break;
  }
  return verdict ?? NO_CHANNEL;
}

const NO_CHANNEL: Verdict = {
  ...{ code: 'no_channel' satisfies ErrorCode, message: null, retryAfterMs: null },
  ...{ failOver: false, cool: 'none', coolMs: null },
};

function contextOf({ accountId, priced, createdAt }: Batch, requestId: string): PassageContext {
  return {
    requestId,
    createdAt: Math.floor(createdAt / 1_000),
    maxOutputTokens: priced.maxOutputTokens,
    endUser: hash('sha256', accountId).slice(0, 32),
  };
}

async function passageOf(call: RelayCall, channel: Channel, context: PassageContext): Promise<Passage | Verdict> {
  try {
    return await call.passage(channel, context);
  } catch (error) {
    return verdictOf(error);
  }
}

async function answered(
  { estimator }: AskParts,
  batch: Batch,
  call: RelayCall,
  bounds: Bounds,
  channel: Channel,
  attempt: UpstreamAttempt,
  { reading }: Extract<AttemptResult, { kind: 'answered' }>,
): Promise<LineAnswer> {
  const measured = await measureUsage(reading.reported, reading.received, call, estimator, true);
  const { usage, picos } = billed(batch, bounds, measured);
  const [costed] = withCosts([attempt.record(1)], { channels: [channel], priced: batch.priced }, usage);
  const ending = reading.ending({ usage, picos, currency: batch.priced.currency });
  return {
    succeeded: true,
    status: 200,
    body: oneLine(typeof ending === 'string' ? ending : ending.toString('utf8'), reading.contentType),
    usage,
    source: measured.source,
    channel: channel.name,
    costPicos: typeof costed?.costPicos === 'string' ? BigInt(costed.costPicos) : null,
  };
}

function failed(
  verdict: Verdict,
  measured: MeasuredUsage,
  batch: Batch,
  bounds: Bounds,
  requestId: string,
): LineAnswer {
  const { status, body } = renderError(verdictError(verdict), 'openai', requestId);
  const { usage } = billed(batch, bounds, measured);
  const { source } = measured;
  return { succeeded: false, status, body: JSON.stringify(body), usage, source, channel: null, costPicos: null };
}

/** As a call of its own would be billed; only the sum of all lines is recorded. */
function billed({ accepted, priced }: Batch, bounds: Bounds, measured: MeasuredUsage) {
  const call: AdmittedCall = { accepted: acceptedIn(accepted), priced, bounds };
  const times = { now: 0, latencyMs: 0, firstByteMs: null };
  const ending = { type: 'RequestCompleted', finishReason: null } as const;
  return settle(call, { ...measured, variant: BATCH_VARIANT }, [], ending, times);
}

/** JSON has control characters between its tokens only, and there a space means the same. What is no JSON becomes a string of it. */
function oneLine(body: string, contentType: string): string {
  return /\bjson\b/i.test(contentType) ? body.replace(/[\r\n\0]+/g, ' ').trim() : JSON.stringify(body);
}

/** False when `signal` came first. */
function paused({ timers }: Runtime, pauseMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const abort = (): void => {
      cancel();
      resolve(false);
    };
    const cancel = timers.after(pauseMs, () => {
      signal.removeEventListener('abort', abort);
      resolve(true);
    });
    signal.addEventListener('abort', abort, { once: true });
  });
}
