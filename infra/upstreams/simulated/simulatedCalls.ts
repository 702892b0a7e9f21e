import type { ServerResponse } from 'node:http';
import { chatRequest, lastUserText, type ChatRequest } from './chatRequest.ts';
import { parseDirectives, type Behaviour, type BehaviourDefaults } from './directives.ts';
import { planAnswer } from './planAnswer.ts';
import { playHalf, playStream } from './playback.ts';
import { renderAnswer, renderStream, type RenderedStream } from './renderAnswer.ts';
import { renderError } from './renderError.ts';

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

/** What a body leads to. */
type Response =
  | { readonly kind: 'error'; readonly status: number; readonly body: string; readonly behaviour: Behaviour | null }
  | { readonly kind: 'answer'; readonly body: string; readonly behaviour: Behaviour }
  | { readonly kind: 'stream'; readonly stream: RenderedStream; readonly behaviour: Behaviour };

/** The same body gets the same answer, so small ones are remembered; this makes it fast enough to measure the relay with. */
const REMEMBERED = 64;
const REMEMBERED_BODY_LENGTH = 4_096;
const REMEMBERED_PIECES = 1_000;

/** Answers chat completion calls and counts them. */
export class SimulatedCalls {
  readonly #defaults: BehaviourDefaults;
  readonly #remembered = new Map<string, Response>();
  readonly #counts = { started: 0, open: 0, finished: 0, cut: 0, aborted: 0 };

  constructor(defaults: BehaviourDefaults) {
    this.#defaults = defaults;
  }

  get stats(): SimulatedStats {
    return this.#counts;
  }

  answer(body: string, response: ServerResponse): void {
    const wasCut = this.#watch(response);
    const prepared = this.#prepare(body);
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

  #prepare(body: string): Response {
    const remembered = this.#remembered.get(body);
    if (remembered) return remembered;
    const prepared = prepare(body, this.#defaults);
    if (body.length <= REMEMBERED_BODY_LENGTH && piecesOf(prepared) <= REMEMBERED_PIECES) {
      if (this.#remembered.size >= REMEMBERED) this.#remembered.clear();
      this.#remembered.set(body, prepared);
    }
    return prepared;
  }
}

function piecesOf(response: Response): number {
  return response.kind === 'stream' ? response.stream.pieces.length : 0;
}

function prepare(body: string, defaults: BehaviourDefaults): Response {
  const request = parse(body);
  if (typeof request === 'string') return badRequest(request);
  const parsed = parseDirectives(lastUserText(request), defaults);
  if (!parsed.ok) return badRequest(parsed.problem);
  const { behaviour, rest } = parsed;
  if (behaviour.status !== null) {
    const message = `Simulated failure with status ${String(behaviour.status)}.`;
    return { kind: 'error', status: behaviour.status, body: renderError(behaviour.status, message), behaviour };
  }
  const plan = planAnswer(request, rest, behaviour);
  if (request.stream !== true) return { kind: 'answer', body: renderAnswer(plan, behaviour.usage), behaviour };
  const includeUsage = request.stream_options?.include_usage === true;
  return { kind: 'stream', stream: renderStream(plan, behaviour.usage, includeUsage), behaviour };
}

/** The request, or what is wrong with it. */
function parse(body: string): ChatRequest | string {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    return `The body is not JSON: ${error instanceof Error ? error.message.slice(0, 100) : 'unreadable'}`;
  }
  const parsed = chatRequest.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'not valid'}`;
}

function badRequest(message: string): Response {
  return { kind: 'error', status: 400, body: renderError(400, message), behaviour: null };
}

function send(prepared: Response, response: ServerResponse, onCut: () => void): void {
  if (prepared.kind === 'error') {
    const seconds = prepared.behaviour?.retryAfterSeconds ?? null;
    response.writeHead(prepared.status, {
      'content-type': 'application/json',
      ...(seconds !== null && { 'retry-after': String(seconds) }),
    });
    response.end(prepared.body);
    return;
  }
  const { behaviour } = prepared;
  if (prepared.kind === 'stream') {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
    playStream(response, prepared.stream, behaviour, onCut);
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(prepared.body) });
  if (behaviour.cutAfter !== null) playHalf(response, prepared.body, 'cut', onCut);
  else if (behaviour.hang === 'mid') playHalf(response, prepared.body, 'hang', onCut);
  else response.end(prepared.body);
}
