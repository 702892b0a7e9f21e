import type { Attempt } from '../../../events/request/request.events.ts';
import { ApiError } from '../../http/errors.ts';
import { verdictError } from '../callExchange.ts';
import { machineWord } from '../machineWord.ts';
import type { Channel, Router } from '../ports.ts';
import { classifyAnswer, classifyFailure, type Verdict } from '../routing/classify.ts';
import { reportVerdict } from '../routing/router.ts';
import type { DialFailure, FrameSocket, RealtimeUpstream, UpstreamFrames } from './ports.ts';

/** Tries the channels of a session in turn until one opens. */
export class Dialling {
  readonly attempts: Attempt[] = [];
  readonly #parts: { readonly upstream: RealtimeUpstream; readonly router: Router };
  readonly #channels: Iterator<Channel>;
  readonly #requestId: string;
  #verdict: Verdict | null = null;

  constructor(
    parts: { readonly upstream: RealtimeUpstream; readonly router: Router },
    channels: readonly Channel[],
    requestId: string,
  ) {
    this.#parts = parts;
    this.#channels = channels.filter(speaksRealtime).values();
    this.#requestId = requestId;
  }

  /** The next channel's socket, or why there is none left to try. */
  next(sink: (channel: Channel) => UpstreamFrames): FrameSocket | ApiError {
    const next = this.#verdict?.failOver === false ? null : this.#channels.next();
    if (next && next.done !== true) return this.#parts.upstream.dial(next.value, this.#requestId, sink(next.value));
    return this.#verdict ? verdictError(this.#verdict) : new ApiError('no_channel', { retryAfterMs: 5_000 });
  }

  failed(channel: Channel, failure: DialFailure): void {
    const answered = failure.kind === 'answered' ? failure : null;
    this.#verdict =
      failure.kind === 'answered'
        ? classifyAnswer(failure.status, failure.headers, failure.body)
        : classifyFailure(failure.failure);
    reportVerdict(this.#parts.router, channel, this.#verdict);
    this.attempts.push({
      number: this.attempts.length + 1,
      channel: channel.name,
      outcome: answered ? 'refused' : outcomeOf(failure),
      status: answered?.status ?? null,
      upstreamRequestId: machineWord(answered?.headers['x-request-id'], 128),
      costPicos: null,
    });
  }
}

/** Only OpenAI's protocol has these sessions. */
export function speaksRealtime({ protocol }: Channel): boolean {
  return protocol === 'openai';
}

function outcomeOf(failure: DialFailure): Attempt['outcome'] {
  return failure.kind === 'failed' && failure.failure.kind === 'timeout' ? 'timeout' : 'unreachable';
}
