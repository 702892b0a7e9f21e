import { ApiError } from '../../http/errors.ts';
import type { UpstreamRequest } from '../call.ts';
import type { UpstreamProtocol } from '../canonical/crossing.ts';
import type { Channel, Protocol } from '../ports.ts';
import type { Json } from '../wire/json.ts';

/** What a factory of operations is given. */
export interface OperationParts {
  /** How deep a JSON body may be nested. */
  readonly maxDepth: number;
  readonly spoken: (protocol: Protocol) => UpstreamProtocol;
}

/** Throws ApiError `unsupported_parameter` for a channel of a protocol that has no such operation. */
export function refuseOthers(channel: Channel, protocols: readonly Protocol[], what: string): void {
  if (!protocols.includes(channel.protocol)) throw lacking(what);
}

export function lacking(what: string): ApiError {
  return new ApiError('unsupported_parameter', {
    detail: `The provider of this model offers no ${what}.`,
    param: 'model',
  });
}

export function jsonRequest(path: string, body: Buffer | Json, accept = 'application/json'): UpstreamRequest {
  return {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', accept },
    body: Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)),
  };
}

/** The client's own bytes where nothing changes, otherwise its body with these members and without what the channel refuses. */
export function forwardedBody(raw: Buffer, body: Json, channel: Channel, changes: Json): Buffer {
  const changed = Object.keys(changes).some((member) => body[member] !== changes[member]);
  const dropped = channel.quirks.stripsParams.filter((member) => Object.hasOwn(body, member));
  if (!changed && dropped.length === 0) return raw;
  const members = Object.entries({ ...body, ...changes }).filter(([member]) => !dropped.includes(member));
  return Buffer.from(JSON.stringify(Object.fromEntries(members)));
}
