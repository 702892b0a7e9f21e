import type { RelayCall } from '../../call.ts';
import { cross, type UpstreamProtocol } from '../../canonical/crossing.ts';
import type { Protocol } from '../../ports.ts';
import { notCarried, notValid } from './checked.ts';
import { promptBound, toCount } from './promptSize.ts';
import { promptOf, turnsOf } from './prompt.ts';
import { parseResponsesBody, type ResponsesBody } from './request.ts';
import { toStore, turnsBefore, type OwnResponses } from './storedResponses.ts';
import { NO_TURNS, type Turns } from './turns.ts';
import { responsesWriter } from './writer.ts';

export interface ResponsesOptions {
  /**
   * Where the responses of this account are stored; null when the operator stores no content. Then `store` has no
   * effect, which the response says, and `previous_response_id` is refused.
   */
  readonly stored: OwnResponses | null;
}

/**
 * A call of `POST /v1/responses`; a promise where an earlier response must be found first. No channel speaks this
 * dialect, so it always crosses, and what cannot cross is refused before any hold. Throws or rejects with ApiError
 * `invalid_json`, `invalid_request` or `unsupported_parameter`, and with what the store throws.
 */
export function responsesCall(
  raw: Buffer,
  maxDepth: number,
  spoken: (protocol: Protocol) => UpstreamProtocol,
  options: ResponsesOptions,
): RelayCall | Promise<RelayCall> {
  const body = parseResponsesBody(raw, maxDepth);
  const { stored } = options;
  const previous = body.previous_response_id ?? null;
  if (previous === null) return callAfter(NO_TURNS, body, raw, spoken, stored);
  return earlierTurns(previous, stored).then((turns) => callAfter(turns, body, raw, spoken, stored));
}

/** The turns of a stored response. Rejects with ApiError when there is none, or none are stored. */
async function earlierTurns(id: string, stored: OwnResponses | null): Promise<Turns> {
  if (!stored) throw notCarried('previous_response_id', 'responses are not stored; send the earlier items instead');
  return turnsBefore(await stored.find(id), id);
}

function callAfter(
  earlier: Turns,
  body: ResponsesBody,
  raw: Buffer,
  spoken: (protocol: Protocol) => UpstreamProtocol,
  stored: OwnResponses | null,
): RelayCall {
  const turns = turnsOf(body, earlier);
  if (turns.messages.length + turns.system.length === 0) throw notValid('input', 'says nothing to answer');
  const prompt = promptOf(body, turns);
  const keeper = body.store === false ? null : stored;
  const writer = responsesWriter({
    body,
    stored: keeper !== null,
    ...(keeper && { onWhole: (response) => keeper.keep(toStore(turns, response)) }),
  });
  return {
    route: '/v1/responses',
    model: body.model,
    streamed: prompt.streamed,
    raw,
    bounds: (maxOutputTokens) => ({
      ...promptBound(prompt),
      outputTokens: Math.min(prompt.maxOutput ?? maxOutputTokens, maxOutputTokens),
      other: {},
    }),
    promptToCount: () => toCount(prompt),
    passage: (channel, context) =>
      cross(prompt, spoken(channel.protocol), writer, channel, { ...context, model: body.model }),
  };
}
