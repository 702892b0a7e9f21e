import type { Emit } from '../../canonical/answer.ts';
import { parseObject, textIn } from '../../wire/json.ts';
import { AgentAnswer, excerptOf } from '../agentAnswer.ts';
import { difyError } from './errors.ts';
import { messageUsage } from './usage.ts';

/** Reads an answer that was not streamed although a stream was asked for; mostly it is an error under status 200. */
export function readWhole(text: string, emit: Emit): void {
  const answer = new AgentAnswer(emit);
  const body = parseObject(text);
  if (body?.['event'] !== 'message' || typeof body['answer'] !== 'string') {
    answer.failed(body ? difyError(body) : excerptOf(text));
    return;
  }
  answer.start(textIn(body['message_id']), '');
  answer.session(textIn(body['conversation_id']));
  answer.text(body['answer']);
  answer.finish('stop');
  answer.usage(messageUsage(body['metadata']));
  answer.end();
}
