import type { ClientFace } from '../../call.ts';
import { OPENAI_FACE } from '../openai/face.ts';
import { isObject, parseObject } from '../../wire/json.ts';

/** How clients of `/v1/responses` hear: errors as OpenAI's, streams of named events. */
export const RESPONSES_FACE = { ...OPENAI_FACE, errorEvent } satisfies ClientFace;

/**
 * The published event has its members beside `type`, OpenAI's servers put them into `error`; clients read either.
 * It has no `sequence_number`, for a face knows no stream.
 */
function errorEvent(body: string): string {
  const stated = parseObject(body)?.['error'];
  const error = isObject(stated) ? stated : { message: 'The call failed.' };
  const { message, code = null, param = null } = error;
  return `event: error\ndata: ${JSON.stringify({ type: 'error', code, message, param, error })}\n\n`;
}
