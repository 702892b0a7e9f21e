import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SimulatedCalls, type SimulatedStats } from './simulatedCalls.ts';
import type { BehaviourDefaults } from './directives.ts';
import type { Operation } from './operation.ts';
import { simulatedOperations } from './operations.ts';
import { readAll } from './readAll.ts';
import { renderError } from './renderError.ts';

export interface SimulatedUpstreamOptions extends Partial<BehaviourDefaults> {
  /** Names that `GET /models` lists; any model is served. */
  readonly models?: readonly string[];
  /** TCP port on loopback; 0, the default, takes a free one. */
  readonly port?: number;
}

export interface SimulatedUpstream {
  readonly baseUrl: string;
  /** Counts of calls, live. */
  readonly stats: SimulatedStats;
  /** Closes every connection. */
  close(): Promise<void>;
}

/** Above the 64 MiB of images that the relay takes, with the boundaries that it writes between them. */
const MAX_BODY_BYTES = 72 * 1_048_576;
/** Above the client's own, so that it is the client who closes idle connections. */
const KEEP_ALIVE_MS = 65_000;

/**
 * Starts an upstream that needs no provider: OpenAI's operations and reranking with deterministic answers, on loopback.
 * What it understands in prompts is in `infra/upstreams/README.md`.
 */
export async function startSimulatedUpstream(options: SimulatedUpstreamOptions = {}): Promise<SimulatedUpstream> {
  const calls = new SimulatedCalls({
    latencyMs: options.latencyMs ?? 0,
    chunkDelayMs: options.chunkDelayMs ?? 0,
    chunks: options.chunks ?? null,
  });
  const operations = simulatedOperations();
  const models = JSON.stringify({
    object: 'list',
    data: (options.models ?? ['simulated']).map((id) => ({ id, object: 'model', created: 0, owned_by: 'tallystick' })),
  });
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, (request, response) => {
    const operation = request.method === 'POST' ? operations.get(request.url ?? '') : undefined;
    if (operation) answerCall(calls, operation, request, response);
    else if (request.method === 'GET' && request.url === '/v1/models') answer(response, 200, models);
    else answer(response, 404, renderError(404, 'There is nothing here.'));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${String(port)}/v1`,
    stats: calls.stats,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

function answerCall(
  calls: SimulatedCalls,
  operation: Operation,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  readAll(request, MAX_BODY_BYTES, (bytes) => {
    if (bytes === null) answer(response, 413, renderError(413, 'The body is too large.'));
    else calls.answer(operation, { bytes, contentType: request.headers['content-type'] }, response);
  });
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
}
