import { parseDirectives, type Behaviour, type BehaviourDefaults } from './directives.ts';
import type { RenderedStream } from './playback.ts';
import { renderError } from './renderError.ts';

/** What a body leads to. */
export type Prepared =
  | { readonly kind: 'error'; readonly status: number; readonly body: string; readonly behaviour: Behaviour | null }
  | { readonly kind: 'answer'; readonly contentType: string; readonly body: string; readonly behaviour: Behaviour }
  | {
      readonly kind: 'stream';
      readonly contentType: string;
      readonly stream: RenderedStream;
      readonly behaviour: Behaviour;
    };

export const TEXT_TYPE = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';
const EVENTS_TYPE = 'text/event-stream; charset=utf-8';

/** The same for every answer, so that the same request gives the same bytes. Seconds: 2023-11-14. */
export const CREATED = 1_700_000_000;

export function badRequest(message: string): Prepared {
  return { kind: 'error', status: 400, body: renderError(400, message), behaviour: null };
}

export function jsonAnswer(json: string, behaviour: Behaviour): Prepared {
  return { kind: 'answer', contentType: JSON_TYPE, body: json, behaviour };
}

export function eventAnswer(stream: RenderedStream, behaviour: Behaviour): Prepared {
  return { kind: 'stream', contentType: EVENTS_TYPE, stream, behaviour };
}

/** Follows the directives in `said`: to an error, or with what `answer` makes of them and of the text without them. */
export function directed(
  said: string,
  defaults: BehaviourDefaults,
  answer: (behaviour: Behaviour, rest: string) => Prepared,
): Prepared {
  const parsed = parseDirectives(said, defaults);
  if (!parsed.ok) return badRequest(parsed.problem);
  const { behaviour, rest } = parsed;
  if (behaviour.status === null) return answer(behaviour, rest);
  const message = `Simulated failure with status ${String(behaviour.status)}.`;
  return { kind: 'error', status: behaviour.status, body: renderError(behaviour.status, message), behaviour };
}
