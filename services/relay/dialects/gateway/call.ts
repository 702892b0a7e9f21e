import { ApiError } from '../../../http/errors.ts';
import type { Bounds, Passage, PassageContext, PromptToCount, RelayCall } from '../../call.ts';
import type { Emit } from '../../canonical/answer.ts';
import { cross, type UpstreamProtocol } from '../../canonical/crossing.ts';
import type { ChatPrompt, Part } from '../../canonical/prompt.ts';
import type { Channel, Protocol } from '../../ports.ts';
import { bodyInputBound, bodyToCount } from '../../usage/bodySize.ts';
import type { Agent } from './agents.ts';
import { GATEWAY_BODY, type GatewayFile, type GatewayRequest } from './request.ts';
import { platformUser, type OpenSession, type SessionPlace } from './sessions.ts';
import { gatewayWriter } from './writer.ts';

/** Uploads of the account by our ids, as parts that a platform can read. */
export type Uploads = ReadonlyMap<string, Part>;

/** What a gateway call needs beside its request. */
export interface GatewaySetting {
  readonly agent: Agent;
  readonly session: OpenSession;
  readonly spoken: (protocol: Protocol) => UpstreamProtocol;
  /** A platform has told its name for the session's conversation; may be called again when that changes. */
  readonly onSession: (place: SessionPlace) => void;
  /** What `files[].id` may name. */
  readonly uploads?: Uploads;
}

/**
 * `POST /api/v1/chat`, which crosses to whatever serves the agent. A protocol that keeps no conversations gets the query
 * alone: the platform that would know the rest is not there. Throws ApiError `not_found` for a file that is not known.
 */
export function gatewayCall(request: GatewayRequest, setting: GatewaySetting): RelayCall {
  return new GatewayCall(request, setting);
}

class GatewayCall implements RelayCall {
  readonly route = '/api/v1/chat';
  readonly #request: GatewayRequest;
  readonly #setting: GatewaySetting;
  readonly #prompt: ChatPrompt;

  constructor(request: GatewayRequest, setting: GatewaySetting) {
    this.#request = request;
    this.#setting = setting;
    this.#prompt = promptOf(request, setting.uploads ?? new Map());
  }

  get model(): string {
    return this.#setting.agent;
  }

  get streamed(): boolean {
    return this.#request.streamed;
  }

  get raw(): Buffer {
    return this.#request.raw;
  }

  bounds(maxOutputTokens: number): Bounds {
    // The parts know what kind of file an upload is; the body knows its id.
    const files = this.#prompt.messages.flatMap(({ parts }) => parts.filter(({ type }) => type !== 'text'));
    const input = bodyInputBound({ ...this.#request.body, files }, GATEWAY_BODY);
    return { ...input, outputTokens: maxOutputTokens, other: {} };
  }

  promptToCount(): PromptToCount {
    return bodyToCount(this.#request.body, GATEWAY_BODY);
  }

  passage(channel: Channel, context: PassageContext): Promise<Passage> {
    const { spoken, session, onSession } = this.#setting;
    const endUser = platformUser(context.endUser, this.#request.user);
    const { place } = session;
    const platformId = place?.channel === channel.name ? place.platformId : null;
    return cross(
      { ...this.#prompt, session: { id: session.id, platformId } },
      listening(spoken(channel.protocol), (told) => onSession({ channel: channel.name, platformId: told })),
      gatewayWriter({ streamed: this.streamed, sessionId: session.id }),
      channel,
      { ...context, endUser, model: this.model },
    );
  }
}

function promptOf({ query, files, streamed }: GatewayRequest, uploads: Uploads): ChatPrompt {
  const attached = files.map((file) => partOf(file, uploads));
  return {
    system: [],
    messages: [{ role: 'user', parts: [{ type: 'text', text: query }, ...attached] }],
    tools: [],
    toolChoice: null,
    parallelTools: null,
    sampling: {
      temperature: null,
      topP: null,
      topK: null,
      presencePenalty: null,
      frequencyPenalty: null,
      seed: null,
      stop: [],
    },
    format: null,
    reasoning: null,
    maxOutput: null,
    choices: 1,
    streamed,
    session: null,
  };
}

function partOf(file: GatewayFile, uploads: Uploads): Part {
  if (file.kind === 'upload') {
    const part = uploads.get(file.id);
    if (!part) throw new ApiError('not_found', { detail: 'There is no such file.', param: 'files' });
    return part;
  }
  const source = { kind: 'url', url: file.url, mime: null } as const;
  switch (file.type) {
    case 'image':
      return { type: 'image', source, detail: null };
    case 'audio':
      return { type: 'audio', source };
    case 'document':
      return { type: 'file', source, name: null };
  }
}

/** A protocol that tells which conversation it has begun. */
function listening(protocol: UpstreamProtocol, heard: (platformId: string) => void): UpstreamProtocol {
  const overheard =
    (emit: Emit): Emit =>
    (event) => {
      if (event.type === 'session') heard(event.platformId);
      emit(event);
    };
  return {
    ask: (prompt, channel) => protocol.ask(prompt, channel),
    decoder: (emit, channel, endUser) => protocol.decoder(overheard(emit), channel, endUser),
    streams: (headers) => protocol.streams(headers),
    whole: (text, emit, channel) => protocol.whole(text, overheard(emit), channel),
    ...(protocol.statedError && { statedError: protocol.statedError.bind(protocol) }),
  };
}
