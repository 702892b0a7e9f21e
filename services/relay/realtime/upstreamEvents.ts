import type { ApiError } from '../../http/errors.ts';
import type { Channel, Router } from '../ports.ts';
import { reportVerdict } from '../routing/router.ts';
import { isObject, parseObject, type Json } from '../wire/json.ts';
import { audioRatesOf } from './audio.ts';
import type { Leaving } from './endings.ts';
import { lookAt } from './frameLook.ts';
import type { Responses } from './responses.ts';
import { simpleError, SimpleMode } from './simpleMode.ts';
import { TRANSCRIBE_NOTHING } from './transcriptionModel.ts';
import type { Transcriptions } from './transcriptions.ts';
import { frameText, ownAffair, renamed } from './upstreamFrames.ts';

export interface UpstreamEventsSetting {
  readonly responses: Responses;
  readonly transcriptions: Transcriptions;
  readonly router: Router;
  readonly channel: Channel;
  /** The client's name for the model, where its provider has another. */
  readonly renameTo: string | null;
  readonly simple: boolean;
}

/** What an upstream's frame leads to. */
export interface Shown {
  /** For the client, in order. */
  readonly frames: readonly (Buffer | string)[];
  /** A response or transcription is over and settled. */
  readonly done: boolean;
  /** For the upstream. */
  readonly answer?: string;
  /** To be told in place of the upstream's own error. */
  readonly error: ApiError | null;
}

const NOTHING: Shown = { frames: [], done: false, error: null };

/**
 * Reads the events of one upstream session. Only those on which billing or a name hangs are parsed; others are passed on
 * as they are. `rate_limits.updated` is dropped: it tells of the operator's limits, not of the client's.
 */
export class UpstreamEvents {
  readonly #setting: UpstreamEventsSetting;
  readonly #simple: SimpleMode | null;

  constructor(setting: UpstreamEventsSetting) {
    this.#setting = setting;
    this.#simple = setting.simple ? new SimpleMode() : null;
  }

  /** Rejects with ApiError when a response begins that may not. */
  take(bytes: Buffer, leaving: Leaving | null): Shown | Promise<Shown> {
    const { responses, transcriptions } = this.#setting;
    const look = lookAt(frameText(bytes));
    switch (look.type ?? '') {
      case 'response.created':
        return this.#began(bytes);
      case 'response.done':
        return this.#done(bytes, leaving);
      case 'conversation.item.input_audio_transcription.delta':
        transcriptions.received(look);
        return this.#passed(look.type, bytes);
      case 'conversation.item.input_audio_transcription.completed':
        return this.#passedAfter(transcriptions.completed(parsed(bytes), leaving), true, look.type, bytes);
      case 'conversation.item.input_audio_transcription.failed':
        return this.#passedAfter(transcriptions.failed(parsed(bytes)), true, look.type, bytes);
      case 'input_audio_buffer.speech_started':
      case 'input_audio_buffer.speech_stopped':
        transcriptions.heard(parsed(bytes));
        return this.#passed(look.type, bytes);
      case 'input_audio_buffer.committed':
        if (leaving) return NOTHING;
        return this.#passedAfter(transcriptions.began(parsed(bytes)), false, look.type, bytes);
      case 'session.created':
      case 'session.updated':
        return this.#stated(bytes);
      case 'error':
        return this.#error(bytes);
      case 'rate_limits.updated':
        return NOTHING;
      default:
        responses.received(look);
        return this.#passed(look.type, bytes);
    }
  }

  async #began(bytes: Buffer): Promise<Shown> {
    const event = parsed(bytes);
    await this.#setting.responses.began(responseOf(event));
    return this.#changed(event, 'response', bytes);
  }

  /** The end of a response is shown once its settlement is durable. */
  async #done(bytes: Buffer, leaving: Leaving | null): Promise<Shown> {
    const event = this.#withoutOurAffairs(parsed(bytes));
    const response = responseOf(event ?? parsed(bytes));
    const settled = await this.#setting.responses.done(response, leaving);
    if (this.#simple) return shown(this.#simple.completed(response, settled?.usage ?? {}), true);
    const frame = renamed(event ?? parsed(bytes), 'response', this.#setting.renameTo);
    return { frames: [frame ?? (event ? JSON.stringify(event) : bytes)], done: true, error: null };
  }

  async #stated(bytes: Buffer): Promise<Shown> {
    const event = parsed(bytes);
    const { responses, transcriptions } = this.#setting;
    const shown = this.#changed(event, 'session', bytes);
    if (!isObject(event['session'])) return shown;
    const { context } = responses;
    context.rates = audioRatesOf(event['session'], context.rates);
    const allowed = await transcriptions.stated(event['session']);
    return allowed ? shown : { ...shown, answer: TRANSCRIBE_NOTHING };
  }

  #error(bytes: Buffer): Shown {
    const { responses, router, channel } = this.#setting;
    const event = parsed(bytes);
    responses.refused();
    const ours = ownAffair(event);
    if (ours) {
      reportVerdict(router, channel, ours.verdict);
      return { ...NOTHING, error: ours.error };
    }
    return this.#simple ? shown([simpleError(event['error'])], false) : passedOn(bytes);
  }

  /** Null when nothing is to be hidden: why a response failed may be our own credential, balance or limit. */
  #withoutOurAffairs(event: Json): Json | null {
    const response = responseOf(event);
    const details = response['status_details'];
    const ours = isObject(details) ? ownAffair(details) : null;
    if (!ours || !isObject(details)) return null;
    reportVerdict(this.#setting.router, this.#setting.channel, ours.verdict);
    const { code, message } = ours.error;
    const error = { type: 'server_error', code, message };
    return { ...event, response: { ...response, status_details: { ...details, error } } };
  }

  async #passedAfter(settling: Promise<void>, done: boolean, type: string | null, bytes: Buffer): Promise<Shown> {
    await settling;
    return { ...this.#passed(type, bytes), done };
  }

  #passed(type: string | null, bytes: Buffer): Shown {
    if (!this.#simple) return passedOn(bytes);
    return SimpleMode.reads(type) ? shown(this.#simple.read(parsed(bytes)), false) : NOTHING;
  }

  #changed(event: Json, member: 'session' | 'response', bytes: Buffer): Shown {
    if (this.#simple) return shown(this.#simple.read(event), false);
    return passedOn(renamed(event, member, this.#setting.renameTo) ?? bytes);
  }
}

function parsed(bytes: Buffer): Json {
  return parseObject(bytes.toString('utf8')) ?? {};
}

function responseOf(event: Json): Json {
  return isObject(event['response']) ? event['response'] : {};
}

function passedOn(frame: Buffer | string): Shown {
  return { frames: [frame], done: false, error: null };
}

function shown(events: readonly Json[], done: boolean): Shown {
  return { frames: events.map((event) => JSON.stringify(event)), done, error: null };
}
