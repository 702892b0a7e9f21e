import { ERRORS, type ApiError } from '../../http/errors.ts';
import { renderError } from '../../http/renderError.ts';
import { isObject, parseObject, type Json } from '../wire/json.ts';

/** Policy violation: the same session would be refused again. */
const REFUSED = 1008;
const FAULT = 1011;
/** The same session may succeed later. */
const TRY_LATER = 1013;

/** An error in the form of OpenAI's `error` event. `causedBy` is the id that the client gave to its event, if it did. */
export function errorEvent(
  error: ApiError,
  ids: { readonly eventId: string; readonly requestId: string; readonly causedBy: string | null },
): Json {
  const { body } = renderError(error, 'openai', ids.requestId) as { body: { error?: unknown } };
  const told = isObject(body.error) ? body.error : {};
  return { type: 'error', event_id: ids.eventId, error: { ...told, event_id: ids.causedBy } };
}

/** How a session ends that ends by this error. */
export function closeCodeOf({ code }: ApiError): number {
  if (code === 'internal_error') return FAULT;
  return ERRORS[code].retry ? TRY_LATER : REFUSED;
}

/** The id that the client gave to an event; null for none. */
export function eventIdOf(text: string): string | null {
  const id = parseObject(text)?.['event_id'];
  return typeof id === 'string' ? id.slice(0, 512) : null;
}
