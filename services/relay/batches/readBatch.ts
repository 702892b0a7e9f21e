import { ApiError } from '../../http/errors.ts';
import { OTHER_METERS, type UsageVector } from '../../../events/meters.ts';
import type { Bounds, RelayCall } from '../call.ts';
import type { Operation } from '../operation.ts';
import type { CallerKey } from '../ports.ts';
import { lineProblem, namingLine, rawLines, readLine, type BatchLine } from './batchLines.ts';
import { ENDPOINTS, type Endpoint } from './ports.ts';

export interface LineSetting {
  /** Those of the relay; a batch is made of calls of one of them. */
  readonly operations: readonly Operation[];
  readonly maxDepth: number;
  readonly limits: { readonly maxLines: number; readonly maxLineBytes: number };
}

/** The operation behind an endpoint that batches may have. Throws ApiError `invalid_request`. */
export function operationOf(
  { operations }: LineSetting,
  endpoint: string,
): { endpoint: Endpoint; operation: Operation } {
  const known = ENDPOINTS.find((each) => each === endpoint);
  const operation = operations.find(({ path }) => path === known);
  if (known === undefined || !operation) {
    const detail = `endpoint: must be one of ${ENDPOINTS.join(', ')}`;
    throw new ApiError('invalid_request', { detail, param: 'endpoint' });
  }
  return { endpoint: known, operation };
}

/** A line as the call that it is. Throws ApiError. */
export function callOf(
  operation: Operation,
  line: BatchLine,
  key: CallerKey,
  requestId: string,
): RelayCall | Promise<RelayCall> {
  const query = new URLSearchParams();
  return operation.read(line.body, { requestId, headers: {}, rest: '', query }, key);
}

/** What a whole input file asks for. */
export interface BatchContent {
  readonly model: string;
  readonly lines: number;
  /** What the calls of all lines may use together; each is one request. */
  readonly bounds: Bounds;
}

/**
 * Reads an input file to its end, so that a batch is refused or taken as a whole. `boundsOf` is asked for each line and
 * may refuse its model. Throws ApiError `invalid_request` that names the first line at fault: every one needs a
 * `custom_id` of its own, the endpoint of the batch, a body that the endpoint would take, and the model of all others.
 */
export async function readBatch(
  bytes: AsyncIterable<Uint8Array>,
  { endpoint, operation }: { readonly endpoint: Endpoint; readonly operation: Operation },
  key: CallerKey,
  boundsOf: (call: RelayCall) => Bounds,
  { maxDepth, limits }: LineSetting,
): Promise<BatchContent> {
  const customIds = new Set<string>();
  const sum = new BoundsSum();
  let model: string | null = null;
  for await (const raw of rawLines(bytes, limits.maxLineBytes)) {
    if (customIds.size === limits.maxLines) {
      throw lineProblem(raw.line, `: a batch may have ${String(limits.maxLines)} lines`);
    }
    const line = readLine(raw, maxDepth);
    if (line.url !== endpoint) throw lineProblem(raw.line, `: url must be ${endpoint}`);
    if (customIds.has(line.customId)) throw lineProblem(raw.line, ': custom_id stands in an earlier line too');
    customIds.add(line.customId);
    const call = await lineCall(operation, line, key, raw.line);
    model ??= call.model;
    if (call.model !== model) throw lineProblem(raw.line, ': model must be the same in all lines');
    sum.add(boundsOf(call));
  }
  if (model === null) {
    throw new ApiError('invalid_request', { detail: 'The input file is empty.', param: 'input_file_id' });
  }
  return { model, lines: customIds.size, bounds: sum.bounds() };
}

async function lineCall(operation: Operation, line: BatchLine, key: CallerKey, number: number): Promise<RelayCall> {
  try {
    const call = await callOf(operation, line, key, 'unused');
    if (!call.streamed) return call;
  } catch (error) {
    throw namingLine(number, error);
  }
  throw lineProblem(number, ': stream: a batch is not streamed');
}

class BoundsSum {
  #inputTokens = 0;
  #outputTokens = 0;
  readonly #other: UsageVector = {};

  add({ inputTokens, outputTokens, other }: Bounds): void {
    this.#inputTokens += inputTokens;
    this.#outputTokens += outputTokens;
    for (const meter of OTHER_METERS) {
      const quantity = other[meter] ?? (meter === 'requests' ? 1 : 0);
      if (quantity > 0) this.#other[meter] = (this.#other[meter] ?? 0) + quantity;
    }
  }

  bounds(): Bounds {
    return { inputTokens: this.#inputTokens, outputTokens: this.#outputTokens, other: this.#other };
  }
}
