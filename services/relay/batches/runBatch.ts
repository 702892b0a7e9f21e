import { deriveId } from '../../../events/ids.ts';
import type { Library } from '../../files/library.ts';
import { ApiError } from '../../http/errors.ts';
import { renderError } from '../../http/renderError.ts';
import { withUnseen } from '../admission.ts';
import type { CallerKey, RelayMetrics, Settlements } from '../ports.ts';
import { askLine, type AskParts } from './askLine.ts';
import { readLine, type RawLine } from './batchLines.ts';
import { finishBatch } from './finishBatch.ts';
import { inputLines } from './inputLines.ts';
import { answeredLine } from './lineText.ts';
import type { Batch, BatchEnding, BatchRecords, LineResult } from './ports.ts';
import { callOf, operationOf, type LineSetting } from './readBatch.ts';

export interface RunParts extends AskParts {
  readonly library: Library;
  readonly records: BatchRecords;
  readonly settlements: Settlements;
  readonly metrics: Pick<RelayMetrics, 'callEnded' | 'tokens'>;
  readonly lines: LineSetting;
  /** Lines of one batch that are asked at the same time. */
  readonly linesAtOnce: number;
}

/** The process stops; the batch goes on where it is when it is asked for again. */
export class BatchInterrupted extends Error {
  override readonly name = 'BatchInterrupted';
}

/**
 * Works on a batch until it has ended, from wherever an earlier run left it: lines that have a result keep it, the
 * others are asked (again). May run twice at a time; then some lines are asked twice, at the operator's cost, and the
 * first result of each stays. Throws BatchInterrupted when `signal` aborts, or StoreUnavailable; both may be repeated.
 */
export async function runBatch(parts: RunParts, id: string, signal: AbortSignal): Promise<void> {
  const batch = await parts.records.find(id);
  if (!batch) return;
  if (batch.status === 'in_progress' || batch.status === 'cancelling') {
    const ending = await new LinesRun(parts, batch, signal).run();
    await parts.records.finalize(id, ending, parts.runtime.clock.now());
  }
  const frozen = await parts.records.find(id);
  if (frozen?.status === 'finalizing') await finishBatch(parts, frozen);
}

/** The lines of a batch, several at a time, until all have ended or no more may begin. */
class LinesRun {
  readonly #parts: RunParts;
  readonly #batch: Batch;
  readonly #signal: AbortSignal;
  readonly #key: CallerKey;
  #cancelled: boolean;
  /** It was too late to begin another line, if there was one. */
  #expired = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(parts: RunParts, batch: Batch, signal: AbortSignal) {
    this.#parts = parts;
    this.#batch = batch;
    this.#signal = signal;
    this.#cancelled = batch.status === 'cancelling';
    const { keyId, accountId, mode } = batch;
    const limits = { models: null, requestsPerMinute: null, tokensPerMinute: null, concurrency: null };
    this.#key = { keyId, accountId, mode, status: 'active', ...limits };
  }

  async run(): Promise<BatchEnding> {
    const done = await this.#parts.records.linesDone(this.#batch.id);
    const lines = inputLines(this.#parts.library, this.#batch, this.#parts.lines);
    const next = async (): Promise<RawLine | null> => {
      for (;;) {
        if (!this.#mayBegin()) return null;
        const { value, done: isOver } = await lines.next();
        if (isOver === true) return null;
        if (!done.has(value.line)) return value;
      }
    };
    try {
      await Promise.all(Array.from({ length: this.#parts.linesAtOnce }, () => this.#askUntilOver(next)));
    } finally {
      await lines.return(undefined);
    }
    if (this.#failure) throw this.#failure.error;
    if (this.#signal.aborted) throw new BatchInterrupted('the process stops');
    if (this.#cancelled) return 'cancelled';
    if (!this.#expired) return 'completed';
    const { size } = await this.#parts.records.linesDone(this.#batch.id);
    return size === this.#batch.lines ? 'completed' : 'expired';
  }

  #mayBegin(): boolean {
    if (this.#failure || this.#cancelled || this.#signal.aborted) return false;
    if (this.#parts.runtime.clock.now() < this.#batch.expiresAt) return true;
    this.#expired = true;
    return false;
  }

  /** A failure of ours ends the run, after what is under way has ended; so no line is left in the air. */
  async #askUntilOver(next: () => Promise<RawLine | null>): Promise<void> {
    try {
      for (let raw = await next(); raw; raw = await next()) {
        const result = await this.#ask(raw);
        if (!result) return;
        const status = await this.#parts.records.keep(this.#batch.id, result);
        if (status !== 'in_progress') this.#cancelled = true;
      }
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  async #ask(raw: RawLine): Promise<LineResult | null> {
    const { id, requestId, endpoint, priced, mode } = this.#batch;
    const { lines: setting, router, runtime } = this.#parts;
    const { line } = raw;
    const lineId = deriveId(requestId, 'line', line);
    const { customId, ...rest } = readLine(raw, setting.maxDepth);
    const about = { customId, lineId };
    try {
      const call = await callOf(operationOf(setting, endpoint).operation, { customId, ...rest }, this.#key, lineId);
      const bounds = withUnseen(call.bounds(priced.maxOutputTokens), router.candidates(call.model, mode));
      const answer = await askLine(this.#parts, this.#batch, call, bounds, lineId, this.#signal);
      if (!answer) return null;
      const { succeeded, usage, source, channel, costPicos } = answer;
      return { line, text: answeredLine(about, answer), succeeded, usage, source, channel, costPicos };
    } catch (error) {
      // What broke here must not keep the other lines from being answered, unless it is the store.
      if (!(error instanceof ApiError || isBug(error))) throw error;
      runtime.log.error({ error, batch: id, line }, 'a line of a batch broke inside the relay and is not charged');
      const told = error instanceof ApiError ? error : new ApiError('internal_error', { cause: error });
      const { status, body } = renderError(told, 'openai', lineId);
      const text = answeredLine(about, { status, body: JSON.stringify(body) });
      return { line, text, succeeded: false, usage: {}, source: 'none', channel: null, costPicos: null };
    }
  }
}

function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}
