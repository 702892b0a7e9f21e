import type { UsageVector } from '../../../events/meters.ts';
import type { PromptToCount } from '../call.ts';
import type { TokenEstimator } from '../ports.ts';
import type { MeasuredUsage } from '../settle.ts';
import { bodyToCount, type BodyRules } from '../usage/bodySize.ts';
import { KeptText } from '../usage/received.ts';
import { withoutZeros, type ReportedUsage } from '../usage/reported.ts';
import { totalTokens } from '../../../events/meters.ts';
import { parseObject } from '../wire/json.ts';
import { audioTokens, bytesIn, USUAL_RATES, type AudioRates, type AudioTokenMs } from './audio.ts';
import { unescaped, type FrameLook } from './frameLook.ts';

const TEXT_DELTAS: ReadonlySet<string> = new Set([
  'response.output_text.delta',
  'response.text.delta',
  'response.output_audio_transcript.delta',
  'response.audio_transcript.delta',
  'response.function_call_arguments.delta',
  'conversation.item.input_audio_transcription.delta',
]);
const AUDIO_DELTAS: ReadonlySet<string> = new Set(['response.output_audio.delta', 'response.audio.delta']);

/** What an upstream has sent of one response or transcript, kept so that one without reported usage is neither free nor invented. */
export class ResponseMeter {
  readonly #text = new KeptText();
  #pieces = 0;
  #audioBytes = 0;

  get isEmpty(): boolean {
    return this.#pieces === 0;
  }

  /** Whether the frame was a piece of it. */
  add(look: FrameLook): boolean {
    const delta = look.raw('delta');
    if (delta === null || delta === '' || look.type === null) return false;
    if (AUDIO_DELTAS.has(look.type)) this.#audioBytes += bytesIn(delta);
    else if (TEXT_DELTAS.has(look.type)) this.#text.add(unescaped(delta));
    else return false;
    this.#pieces += 1;
    return true;
  }

  /** Text that came whole. */
  addText(text: string): void {
    if (text === '') return;
    this.#text.add(text);
    this.#pieces += 1;
  }

  async estimate(estimator: TokenEstimator, rates: AudioRates, tokenMs: AudioTokenMs): Promise<UsageVector> {
    const { text, scale } = this.#text.toCount();
    const [counted = 0] = text === '' ? [] : await estimator.count([text]);
    const audioOutput = audioTokens(this.#audioBytes, rates.output, tokenMs.output);
    return withoutZeros({ outputText: Math.ceil(counted * scale), audioOutput });
  }
}

/** Frames that put text before the model. */
const SAYING: ReadonlySet<string> = new Set(['conversation.item.create', 'response.create', 'session.update']);
/** Characters of such frames that are kept; the rest counts as four characters to a token. */
const MAX_KEPT = 262_144;
/** A longer frame carries audio or an image. */
const MAX_TEXT_FRAME = 65_536;
const FRAME_RULES: BodyRules = {
  outside: new Set(['type', 'event_id', 'previous_item_id']),
  attached: new Set(['image_url']),
  silent: new Set(['type', 'role', 'id', 'call_id', 'audio', 'modalities', 'output_modalities', 'metadata', 'voice']),
};

/** What a client has put into the conversation, for responses whose input no provider reported. */
interface Said {
  frames: string[];
  kept: number;
  unkept: number;
  audioBytes: number;
}

/**
 * Weighs the conversation that a next response reads: what the last response reported of its own, and what was said
 * since.
 */
export class ContextMeter {
  #base = 0;
  #since = nothingSaid();
  #inResponse = nothingSaid();
  /** Of the session's audio; the session object states it. */
  rates: AudioRates = USUAL_RATES;

  /** Takes a frame of the client. */
  add(look: FrameLook, text: string): void {
    if (look.type === 'input_audio_buffer.append') this.#since.audioBytes += bytesIn(look.raw('audio') ?? '');
    else if (look.type === 'input_audio_buffer.clear') this.#since.audioBytes = 0;
    else if (look.type !== null && SAYING.has(look.type)) this.#say(text);
  }

  /** What was said until now is what the response reads. */
  began(): void {
    this.#inResponse = joined(this.#inResponse, this.#since);
    this.#since = nothingSaid();
  }

  /** A response has ended, and its conversation weighs that many tokens. */
  ended(tokens: number): void {
    if (tokens > 0) this.#base = tokens;
    this.#inResponse = nothingSaid();
  }

  async estimate(estimator: TokenEstimator, tokenMs: AudioTokenMs): Promise<UsageVector> {
    const { frames, unkept, audioBytes } = this.#inResponse;
    const prompts = frames.map((frame): PromptToCount => bodyToCount(parseObject(frame) ?? {}, FRAME_RULES));
    const texts = prompts.flatMap((prompt) => prompt.texts);
    const counted = texts.length === 0 ? [] : await estimator.count(texts);
    const ofTexts = counted.reduce((sum, tokens) => sum + tokens, 0);
    const overhead = prompts.reduce((sum, prompt) => sum + prompt.overhead, 0);
    return withoutZeros({
      uncachedInput: this.#base + ofTexts + overhead + Math.ceil(unkept / 4),
      audioInput: audioTokens(audioBytes, this.rates.input, tokenMs.input),
    });
  }

  #say(text: string): void {
    const since = this.#since;
    if (text.length > MAX_TEXT_FRAME) since.audioBytes += bytesIn(text);
    else if (since.kept + text.length > MAX_KEPT) since.unkept += text.length;
    else {
      since.frames.push(text);
      since.kept += text.length;
    }
  }
}

/** The usage of a response: what was reported, and an estimate of each half that was not, or as nothing where something came. */
export async function measureResponse(
  reported: ReportedUsage,
  received: ResponseMeter,
  context: ContextMeter,
  estimator: TokenEstimator,
  tokenMs: AudioTokenMs,
): Promise<MeasuredUsage> {
  const input = reported.input && totalTokens(reported.input) > 0 ? reported.input : null;
  const output = reported.output && (totalTokens(reported.output) > 0 || received.isEmpty) ? reported.output : null;
  if (input && output) return { usage: { ...input, ...output }, source: 'reported' };
  const usage = {
    ...(input ?? (await context.estimate(estimator, tokenMs))),
    ...(output ?? (await received.estimate(estimator, context.rates, tokenMs))),
  };
  const partly = input !== null || (output !== null && totalTokens(output) > 0);
  return { usage, source: partly ? 'mixed' : 'estimated' };
}

function nothingSaid(): Said {
  return { frames: [], kept: 0, unkept: 0, audioBytes: 0 };
}

function joined(one: Said, other: Said): Said {
  return {
    frames: [...one.frames, ...other.frames],
    kept: one.kept + other.kept,
    unkept: one.unkept + other.unkept,
    audioBytes: one.audioBytes + other.audioBytes,
  };
}
