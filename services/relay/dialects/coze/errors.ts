import { textIn, type Json } from '../../wire/json.ts';
import { statedError } from '../agentAnswer.ts';

/** Coze answers 200 and says in numbers of its own what is wrong. */
const STATUS_OF_CODE: ReadonlyMap<number, number> = new Map([
  [4000, 400],
  [4013, 429],
  [4015, 404],
  [4016, 409],
  [4019, 402],
  [4028, 402],
  [4100, 401],
  [4101, 403],
  [4200, 404],
  [5000, 500],
]);

/** `{code, msg}` as a stated error. */
export function cozeError(body: Json): string {
  const code = Number(body['code'] ?? 0);
  const message = textIn(body['msg']) || textIn(body['message']) || `Coze stated the error ${String(code)}.`;
  return statedError(message, STATUS_OF_CODE.get(code) ?? null, code === 0 ? '' : `coze_${String(code)}`);
}
