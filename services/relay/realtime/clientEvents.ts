import { ApiError } from '../../http/errors.ts';
import { asApiError } from '../../http/asApiError.ts';
import { clientFrames, type Outgoing } from './clientFrames.ts';
import { lookAt } from './frameLook.ts';
import type { Responses } from './responses.ts';
import type { Transcriptions } from './transcriptions.ts';
import { frameText } from './upstreamFrames.ts';

/** What a client's frame leads to. */
export interface Asked {
  /** For the upstream, in order. */
  readonly frames: readonly Outgoing[];
  /** Why nothing goes up. */
  readonly error: ApiError | null;
}

export interface ClientEventsSetting {
  readonly responses: Responses;
  readonly transcriptions: Transcriptions;
  readonly model: string;
  readonly simple: boolean;
}

/** Reads the events of one client. A response or a transcription is asked for only once its hold is taken. */
export class ClientEvents {
  readonly #setting: ClientEventsSetting;

  constructor(setting: ClientEventsSetting) {
    this.#setting = setting;
  }

  /** `stopping`: why nothing further may be asked for; null while it may. */
  take(bytes: Buffer, stopping: ApiError | null): Asked | Promise<Asked> {
    const { responses, transcriptions } = this.#setting;
    const text = frameText(bytes);
    const look = lookAt(text);
    try {
      const frames = clientFrames(bytes, look, this.#setting);
      const hold = this.#holdFor(frames);
      if (hold && stopping) return { frames: [], error: stopping };
      responses.context.add(look, text);
      transcriptions.said(look);
      return hold ? this.#held(frames, hold) : { frames, error: null };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { frames: [], error };
    }
  }

  /** How to take the hold without which the frames must not go up; null for none. */
  #holdFor(frames: readonly Outgoing[]): (() => Promise<void>) | null {
    const { responses, transcriptions } = this.#setting;
    if (frames.some((frame) => frame.asks)) return () => responses.ask();
    const model = frames.find(({ transcribesBy }) => transcribesBy !== undefined)?.transcribesBy;
    return model === undefined ? null : () => transcriptions.want(model);
  }

  async #held(frames: readonly Outgoing[], hold: () => Promise<void>): Promise<Asked> {
    try {
      await hold();
      return { frames, error: null };
    } catch (error) {
      const told = asApiError(error);
      if (told.code === 'internal_error') throw error;
      return { frames: [], error: told };
    }
  }
}
