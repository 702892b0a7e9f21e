import { isObject, type Json } from '../../wire/json.ts';

/** Whether an event, or a whole answer, states an error. What its data calls itself counts more than the event's name. */
export function statesError(name: string | null, data: Json): boolean {
  if (typeof data['type'] === 'string') return data['type'] === 'error';
  return name === 'error' || isObject(data['error']);
}

/** An error of ours in Claude's shape, as JSON text. */
export function apiErrorText(message: string): string {
  return JSON.stringify({ type: 'error', error: { type: 'api_error', message } });
}
