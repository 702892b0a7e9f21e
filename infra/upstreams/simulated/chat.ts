import { chatRequest, lastUserText } from './chatRequest.ts';
import { jsonOperation, type Operation } from './operation.ts';
import { planAnswer } from './planAnswer.ts';
import { eventAnswer, jsonAnswer, type Prepared } from './prepared.ts';
import { renderAnswer, renderStream } from './renderAnswer.ts';

/** The same body gets the same answer, so small ones are remembered; this makes it fast enough to measure the relay with. */
const REMEMBERED = 64;
const REMEMBERED_BODY_BYTES = 4_096;
const REMEMBERED_PIECES = 1_000;

const answered = jsonOperation({
  schema: chatRequest,
  said: lastUserText,
  answer(request, behaviour, rest) {
    const plan = planAnswer(request, rest, behaviour);
    if (request.stream !== true) return jsonAnswer(renderAnswer(plan, behaviour.usage), behaviour);
    const includeUsage = request.stream_options?.include_usage === true;
    return eventAnswer(renderStream(plan, behaviour.usage, includeUsage), behaviour);
  },
});

/** `POST /v1/chat/completions`. What one upstream remembers holds for its own defaults only. */
export function chat(): Operation {
  const remembered = new Map<string, Prepared>();
  return (body, defaults) => {
    if (body.bytes.length > REMEMBERED_BODY_BYTES) return answered(body, defaults);
    const text = body.bytes.toString('utf8');
    const known = remembered.get(text);
    if (known) return known;
    const prepared = answered(body, defaults);
    if (piecesOf(prepared) <= REMEMBERED_PIECES) {
      if (remembered.size >= REMEMBERED) remembered.clear();
      remembered.set(text, prepared);
    }
    return prepared;
  };
}

function piecesOf(prepared: Prepared): number {
  return prepared.kind === 'stream' ? prepared.stream.pieces.length : 0;
}
