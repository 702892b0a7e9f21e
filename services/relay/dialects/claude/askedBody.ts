import { ApiError } from '../../../http/errors.ts';
import type { AskedPrompt } from '../../canonical/crossing.ts';
import type { AnswerFormat, Sampling } from '../../canonical/prompt.ts';
import type { Channel } from '../../ports.ts';
import type { Json } from '../../wire/json.ts';
import { conversation } from './askedMessages.ts';
import { askedTools } from './askedTools.ts';
import { closedSchema } from './closedSchema.ts';
import { askedThinking, claudeVersion } from './thinking.ts';

/** Without these there is no call; a channel cannot strip them. */
const REQUIRED: ReadonlySet<string> = new Set(['model', 'max_tokens', 'messages', 'stream']);

/**
 * The body of a Messages call. Throws ApiError for several answers, white space as a stop sequence, and parts that
 * Claude cannot take, and for an answer by a schema where the model is older than 4.1. Dropped: seed and penalties, which
 * Claude does not know; `topP` beside a temperature, and all sampling from 4.7 on, which such models refuse; temperature,
 * `topK` and a low `topP` while the model thinks; whatever the channel strips. A temperature above 1 becomes 1. A JSON
 * answer without a schema is asked for by an instruction.
 */
export function askedBody(prompt: AskedPrompt, { upstreamModel, quirks }: Channel): Json {
  if (prompt.choices > 1) {
    throw new ApiError('unsupported_parameter', { detail: 'Claude gives one answer per call.', param: 'n' });
  }
  const { system, messages } = conversation(prompt.system, prompt.messages, prompt.format?.kind === 'json');
  const { thinking, effort } = askedThinking(prompt.reasoning, {
    model: upstreamModel,
    maxOutput: prompt.maxOutput,
    toolDemanded: prompt.toolChoice?.kind === 'required' || prompt.toolChoice?.kind === 'tool',
    messages: prompt.messages,
  });
  const version = claudeVersion(upstreamModel);
  const output = { ...(effort !== null && { effort }), ...outputFormat(prompt.format, version) };
  const body: Json = {
    model: upstreamModel,
    max_tokens: prompt.maxOutput,
    ...(system.length > 0 && { system }),
    messages,
    ...askedTools(prompt),
    ...(thinking && { thinking }),
    ...(Object.keys(output).length > 0 && { output_config: output }),
    ...(version < 4.7 && sampled(prompt.sampling, thinking !== null && thinking['type'] !== 'disabled')),
    ...stops(prompt.sampling),
    ...(prompt.endUser !== '' && { metadata: { user_id: prompt.endUser } }),
    stream: prompt.streamed,
  };
  const stripped = new Set(quirks.stripsParams.filter((member) => !REQUIRED.has(member)));
  return Object.fromEntries(Object.entries(body).filter(([member]) => !stripped.has(member)));
}

function outputFormat(format: AnswerFormat | null, version: number): Json {
  if (format?.kind !== 'schema') return {};
  if (version < 4.1) {
    const detail = 'This model of Claude gives no answer by a schema.';
    throw new ApiError('unsupported_parameter', { detail, param: 'response_format' });
  }
  return { format: { type: 'json_schema', schema: closedSchema(format.schema, 'response_format') } };
}

function sampled({ temperature, topP, topK }: Sampling, thinks: boolean): Json {
  return {
    ...(temperature !== null && !thinks && { temperature: Math.min(temperature, 1) }),
    ...(topP !== null && (thinks ? topP >= LEAST_THINKING_TOP_P : temperature === null) && { top_p: topP }),
    ...(topK !== null && !thinks && { top_k: topK }),
  };
}

function stops({ stop }: Sampling): Json {
  const sequences = stopSequences(stop);
  return sequences.length > 0 ? { stop_sequences: sequences } : {};
}

/** A model that thinks takes no lower one. */
const LEAST_THINKING_TOP_P = 0.95;

/** To leave one out would let an answer run on, so it is refused. An empty one never stops anything. */
function stopSequences(stop: readonly string[]): readonly string[] {
  const sequences = stop.filter((sequence) => sequence !== '');
  if (sequences.some((sequence) => sequence.trim() === '')) {
    const detail = 'Claude takes no stop sequence that is nothing but white space.';
    throw new ApiError('unsupported_parameter', { detail, param: 'stop' });
  }
  return sequences;
}
