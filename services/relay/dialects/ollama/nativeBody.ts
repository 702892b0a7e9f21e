import type { Json } from '../../wire/json.ts';
import { withOuterImages } from './outerImages.ts';
import type { OllamaRequest } from './request.ts';

/**
 * The body for an Ollama server: the client's own bytes where something is only added, a rewritten object where a member
 * is replaced. `stream` and the limit are always stated, because a server streams without the one and goes on without
 * the other.
 */
export function nativeBody(request: OllamaRequest, upstreamModel: string, maxOutput: number): Buffer {
  const { body, raw, streamed } = request;
  const wanted: Json = { model: upstreamModel, stream: streamed };
  if (body.options?.num_predict !== maxOutput) wanted['options'] = { ...body.options, num_predict: maxOutput };
  const moved = request.kind === 'chat' && Boolean(request.body.images?.length);
  if (moved) wanted['messages'] = withOuterImages(request.body);

  const changed = Object.entries(wanted).filter(([member, value]) => (body as Json)[member] !== value);
  if (!moved && changed.every(([member]) => !Object.hasOwn(body, member))) {
    return withMembers(raw, Object.fromEntries(changed));
  }
  const rewritten: Json = { ...body, ...wanted };
  if (moved) delete rewritten['images'];
  return Buffer.from(JSON.stringify(rewritten));
}

/** Adds members before the closing brace of a JSON object that has some, leaving its bytes as they are. */
function withMembers(raw: Buffer, members: Json): Buffer {
  const text = JSON.stringify(members);
  if (text === '{}') return raw;
  const brace = raw.lastIndexOf(0x7d);
  return Buffer.concat([raw.subarray(0, brace), Buffer.from(`,${text.slice(1)}`)]);
}
