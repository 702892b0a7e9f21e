import type { FinishReason } from '../../canonical/answer.ts';

const FINISH_OF: ReadonlyMap<unknown, FinishReason> = new Map<unknown, FinishReason>([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['pause_turn', 'pause'],
  ['refusal', 'refusal'],
]);

/** A reason that is not known means a normal end. Tool calls are the reason exactly when the answer has some. */
export function finishOf(stopReason: unknown, hasCalls: boolean): FinishReason {
  const finish = FINISH_OF.get(stopReason) ?? 'stop';
  if (finish !== 'stop' && finish !== 'tool_calls') return finish;
  return hasCalls ? 'tool_calls' : 'stop';
}

/** What an answer held, where its finish reason alone does not tell. */
export interface Told {
  readonly calls: boolean;
  readonly refusal: boolean;
}

/** Claude has no reason for an answer that its provider broke off. Such a one is not said to call tools, whatever it holds. */
export function stopReasonOf(finish: FinishReason, stopSequence: string | null, told: Told): string {
  switch (finish) {
    case 'length':
      return 'max_tokens';
    case 'pause':
      return 'pause_turn';
    case 'content_filter':
    case 'refusal':
      return 'refusal';
    case 'stop':
    case 'tool_calls':
      if (told.calls) return 'tool_use';
      if (told.refusal) return 'refusal';
      return stopSequence === null ? 'end_turn' : 'stop_sequence';
    case 'error':
      return 'end_turn';
  }
}
