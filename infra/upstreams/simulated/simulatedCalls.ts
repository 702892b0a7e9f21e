import type { ServerResponse } from 'node:http';
import type { BehaviourDefaults } from './directives.ts';
import type { Operation, SimulatedBody } from './operation.ts';
import { playHalf, playStream } from './playback.ts';
import type { Prepared } from './prepared.ts';

/** Calls with a readable body. `started` = `open` + `finished` + `cut` + `aborted` at every moment. */
export interface SimulatedStats {
  readonly started: number;
  readonly open: number;
  /** Answered to the end, errors included. */
  readonly finished: number;
  /** Closed by the simulation, as it was told. */
  readonly cut: number;
  /** Closed by the caller before the end. */
  readonly aborted: number;
}

/** Answers calls and counts them. */
export class SimulatedCalls {
  readonly #defaults: BehaviourDefaults;
  readonly #counts = { started: 0, open: 0, finished: 0, cut: 0, aborted: 0 };

  constructor(defaults: BehaviourDefaults) {
    this.#defaults = defaults;
  }

  get stats(): SimulatedStats {
    return this.#counts;
  }

  answer(operation: Operation, body: SimulatedBody, response: ServerResponse): void {
    const wasCut = this.#watch(response);
    const prepared = operation(body, this.#defaults);
    const latencyMs = prepared.behaviour?.latencyMs ?? 0;
    if (prepared.behaviour?.hang === 'before') return;
    if (latencyMs === 0) {
      send(prepared, response, wasCut);
      return;
    }
    const timer = setTimeout(() => send(prepared, response, wasCut), latencyMs);
    response.once('close', () => clearTimeout(timer));
  }

  /** Counts a call until it closes; the result marks it as cut by ourselves. */
  #watch(response: ServerResponse): () => void {
    const counts = this.#counts;
    let cut = false;
    counts.started += 1;
    counts.open += 1;
    response.once('close', () => {
      counts.open -= 1;
      if (cut) counts.cut += 1;
      else if (response.writableFinished) counts.finished += 1;
      else counts.aborted += 1;
    });
    return () => {
      cut = true;
    };
  }
}

function send(prepared: Prepared, response: ServerResponse, onCut: () => void): void {
  if (prepared.kind === 'error') {
    const seconds = prepared.behaviour?.retryAfterSeconds ?? null;
    response.writeHead(prepared.status, {
      'content-type': 'application/json',
      ...(seconds !== null && { 'retry-after': String(seconds) }),
    });
    response.end(prepared.body);
    return;
  }
  const { behaviour, contentType } = prepared;
  if (prepared.kind === 'stream') {
    response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-cache' });
    playStream(response, prepared.stream, behaviour, onCut);
    return;
  }
  response.writeHead(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(prepared.body) });
  if (behaviour.cutAfter !== null) playHalf(response, prepared.body, 'cut', onCut);
  else if (behaviour.hang === 'mid') playHalf(response, prepared.body, 'hang', onCut);
  else response.end(prepared.body);
}
