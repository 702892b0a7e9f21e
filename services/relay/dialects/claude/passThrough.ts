import { ApiError } from '../../../http/errors.ts';
import type { Passage, PassageContext } from '../../call.ts';
import type { Channel } from '../../ports.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { messagesRequest, versionHeaders, type ClientHeaders } from './headers.ts';
import { PassedStream } from './passedStream.ts';
import { PassedWhole } from './passedWhole.ts';
import { provenBody } from './provenBody.ts';
import type { ClaudeRequest } from './request.ts';
import { fittingBudget } from './thinking.ts';
import { UnstreamedAnswer } from './unstreamedAnswer.ts';

/** A call to a channel of the client's own dialect: its bytes go up, and the upstream's bytes come down. */
export function claudePassage(
  request: ClaudeRequest,
  clientHeaders: ClientHeaders,
  channel: Channel,
  context: PassageContext,
): Passage {
  const body = passedBody(request, channel.upstreamModel, context.maxOutputTokens);
  const renameTo = channel.upstreamModel === request.model ? null : request.model;
  return {
    request: messagesRequest(body, request.streamed, versionHeaders(clientHeaders)),
    read: (headers) => {
      if (!request.streamed) return new PassedWhole(renameTo);
      return isEventStream(headers) ? new PassedStream(renameTo) : new UnstreamedAnswer(renameTo);
    },
  };
}

/**
 * The client's own bytes, unless the model has another name there, the output limit is above what may be used, or an
 * earlier answer came from a provider that signs no thinking. A thinking budget that the smaller limit leaves no room for
 * becomes smaller too. Throws ApiError when none is left.
 */
export function passedBody(
  { body, raw, model }: ClaudeRequest,
  upstreamModel: string,
  maxOutputTokens: number,
): Buffer {
  const limited = body.max_tokens > maxOutputTokens;
  const proven = provenBody(body);
  if (!limited && upstreamModel === model && proven === body) return raw;
  const changed = { ...proven, model: upstreamModel };
  if (!limited) return Buffer.from(JSON.stringify(changed));
  const thinking = limitedThinking(proven.thinking, maxOutputTokens);
  return Buffer.from(JSON.stringify({ ...changed, max_tokens: maxOutputTokens, ...(thinking && { thinking }) }));
}

function limitedThinking(thinking: ClaudeRequest['body']['thinking'], maxOutputTokens: number): object | null {
  const stated = thinking?.budget_tokens;
  if (thinking?.type !== 'enabled' || typeof stated !== 'number' || stated < maxOutputTokens) return null;
  const budget = fittingBudget(stated, maxOutputTokens);
  if (budget !== null) return { ...thinking, budget_tokens: budget };
  const detail = `This model may give ${String(maxOutputTokens)} tokens here, which leaves no room for thinking.`;
  throw new ApiError('unsupported_parameter', { detail, param: 'thinking.budget_tokens' });
}
