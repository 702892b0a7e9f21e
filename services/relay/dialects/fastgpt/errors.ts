import { isObject, textIn, type Json } from '../../wire/json.ts';
import { statedError } from '../agentAnswer.ts';

/** FastGPT answers 500, or 200 in a stream, whatever went wrong; its words tell more. */
const STATUS_OF_WORD: ReadonlyMap<string, number> = new Map([
  ['unAuthApiKey', 401],
  ['unAuthorization', 401],
  ['unAuthApp', 403],
  ['appUnExist', 404],
  ['insufficientQuota', 402],
  ['aiPointsNotEnough', 402],
  ['tooManyRequest', 429],
]);

/** An error of FastGPT as a stated one; its own numbers above 499 are no HTTP statuses. */
export function fastgptError(body: Json): string {
  const inner = isObject(body['error']) ? body['error'] : body;
  const word = textIn(inner['statusText']);
  const message = textIn(inner['message']) || textIn(body['error']) || word || 'FastGPT stated an error.';
  const code = typeof inner['code'] === 'number' ? inner['code'] : 0;
  const status = STATUS_OF_WORD.get(word) ?? (code >= 400 && code < 500 ? code : null);
  return statedError(message, status, word);
}
