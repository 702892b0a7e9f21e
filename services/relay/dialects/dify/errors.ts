import { textIn, type Json } from '../../wire/json.ts';
import { statedError } from '../agentAnswer.ts';

/** Dify calls these 400, yet they are the app's fault and not the caller's. */
const FAULTS_OF_APP: ReadonlySet<string> = new Set([
  'app_unavailable',
  'completion_request_error',
  'model_currently_not_support',
  'not_chat_app',
  'provider_not_initialize',
]);

/** An error event of a stream, or a body that is one, as a stated error. */
export function difyError(body: Json): string {
  const word = textIn(body['code']);
  const message = textIn(body['message']) || word || 'Dify stated an error.';
  const status = typeof body['status'] === 'number' ? body['status'] : null;
  return statedError(message, FAULTS_OF_APP.has(word) ? 503 : status, word);
}
