import { ApiError } from '../../http/errors.ts';
import { asApiError } from '../../http/asApiError.ts';
import { clientFrames, type Outgoing } from './clientFrames.ts';
import { lookAt } from './frameLook.ts';
import type { Responses } from './responses.ts';
import { frameText } from './upstreamFrames.ts';

/** What a client's frame leads to. */
export interface Asked {
  /** For the upstream, in order. */
  readonly frames: readonly Outgoing[];
  /** Why nothing goes up. */
  readonly error: ApiError | null;
}

/** Reads the events of one client. A response is asked for only once its hold is taken. */
export class ClientEvents {
  readonly #setting: { readonly responses: Responses; readonly model: string; readonly simple: boolean };

  constructor(setting: { readonly responses: Responses; readonly model: string; readonly simple: boolean }) {
    this.#setting = setting;
  }

  /** `stopping`: why no further response may be asked for; null while one may. */
  take(bytes: Buffer, stopping: ApiError | null): Asked | Promise<Asked> {
    const { responses } = this.#setting;
    const text = frameText(bytes);
    const look = lookAt(text);
    try {
      const frames = clientFrames(bytes, look, this.#setting);
      const asks = frames.some((frame) => frame.asks);
      if (asks && stopping) return { frames: [], error: stopping };
      responses.context.add(look, text);
      return asks ? this.#ask(frames) : { frames, error: null };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { frames: [], error };
    }
  }

  async #ask(frames: readonly Outgoing[]): Promise<Asked> {
    try {
      await this.#setting.responses.ask();
      return { frames, error: null };
    } catch (error) {
      const told = asApiError(error);
      if (told.code === 'internal_error') throw error;
      return { frames: [], error: told };
    }
  }
}
