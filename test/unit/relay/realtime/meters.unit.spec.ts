import { describe, expect, it } from 'vitest';
import { AUDIO_TOKEN_MS, USUAL_RATES } from '../../../../services/relay/realtime/audio.ts';
import { lookAt } from '../../../../services/relay/realtime/frameLook.ts';
import { ContextMeter, measureResponse, ResponseMeter } from '../../../../services/relay/realtime/meters.ts';
import { NOTHING_REPORTED } from '../../../../services/relay/usage/reported.ts';
import { wordEstimator } from '../chatFixtures.ts';

function received(...events: readonly object[]): ResponseMeter {
  const meter = new ResponseMeter();
  for (const event of events) meter.add(lookAt(JSON.stringify(event)));
  return meter;
}

function say(context: ContextMeter, event: object): void {
  const text = JSON.stringify(event);
  context.add(lookAt(text), text);
}

function measure(reported: Parameters<typeof measureResponse>[0], meter: ResponseMeter, context = new ContextMeter()) {
  return measureResponse(reported, meter, context, wordEstimator, AUDIO_TOKEN_MS);
}

const TEXT = { type: 'response.output_text.delta', delta: 'one two three' };
const SECOND = Buffer.alloc(48_000).toString('base64');
const MESSAGE = {
  type: 'conversation.item.create',
  item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'four words of text' }] },
};

describe('What comes of a response', () => {
  it.each([
    'response.output_text.delta',
    'response.text.delta',
    'response.output_audio_transcript.delta',
    'response.audio_transcript.delta',
    'response.function_call_arguments.delta',
  ])('counts as text in %s', async (type) => {
    const meter = received({ type, delta: 'two "words"' });
    expect(meter.isEmpty).toBe(false);
    expect(await meter.estimate(wordEstimator, USUAL_RATES, AUDIO_TOKEN_MS)).toEqual({ outputText: 2 });
  });

  it.each(['response.output_audio.delta', 'response.audio.delta'])('counts as audio in %s', async (type) => {
    const meter = received({ type, delta: SECOND });
    expect(await meter.estimate(wordEstimator, USUAL_RATES, AUDIO_TOKEN_MS)).toEqual({ audioOutput: 20 });
  });

  it('counts for nothing in other events', () => {
    const others = [
      { type: 'response.output_text.done', text: 'x' },
      { type: 'response.output_text.delta' },
      { delta: 'x' },
    ];
    expect(received(...others).isEmpty).toBe(true);
  });
});

describe('The usage of a response', () => {
  const reported = { input: { uncachedInput: 9 }, output: { outputText: 4 } };

  it('is what was reported', async () => {
    expect(await measure(reported, received(TEXT))).toEqual({
      usage: { uncachedInput: 9, outputText: 4 },
      source: 'reported',
    });
  });

  it('is estimated in the half that is missing, or stated as nothing although something came', async () => {
    const half = { input: { uncachedInput: 9 }, output: {} };
    expect(await measure(half, received(TEXT))).toEqual({
      usage: { uncachedInput: 9, outputText: 3 },
      source: 'mixed',
    });
    const context = new ContextMeter();
    say(context, MESSAGE);
    context.began();
    const other = await measure({ input: null, output: { outputText: 4 } }, received(), context);
    expect(other.source).toBe('mixed');
    expect(other.usage.outputText).toBe(4);
    expect(other.usage.uncachedInput).toBeGreaterThanOrEqual(4);
  });

  it('is nothing in output when that is stated and nothing came', async () => {
    expect(await measure({ input: { uncachedInput: 9 }, output: {} }, received())).toEqual({
      usage: { uncachedInput: 9 },
      source: 'reported',
    });
  });

  it('is estimated by the conversation where nothing is reported', async () => {
    const context = new ContextMeter();
    context.ended(1_000);
    say(context, { type: 'input_audio_buffer.append', audio: SECOND });
    context.began();
    expect(await measure(NOTHING_REPORTED, received(TEXT), context)).toEqual({
      usage: { uncachedInput: 1_000, audioInput: 10, outputText: 3 },
      source: 'estimated',
    });
  });
});

describe('The conversation', () => {
  const estimate = (context: ContextMeter) => context.estimate(wordEstimator, AUDIO_TOKEN_MS);

  it('is read by a response only as far as it went when the response began', async () => {
    const context = new ContextMeter();
    context.began();
    say(context, { type: 'input_audio_buffer.append', audio: SECOND });
    expect(await estimate(context)).toEqual({});
    context.ended(50);
    context.began();
    expect(await estimate(context)).toEqual({ uncachedInput: 50, audioInput: 10 });
  });

  it('forgets audio that was cleared', async () => {
    const context = new ContextMeter();
    say(context, { type: 'input_audio_buffer.append', audio: SECOND });
    say(context, { type: 'input_audio_buffer.clear' });
    context.began();
    expect(await estimate(context)).toEqual({});
  });

  it('counts the length of audio by the format of the session', async () => {
    const context = new ContextMeter();
    context.rates = { input: 8_000, output: 8_000 };
    say(context, { type: 'input_audio_buffer.append', audio: Buffer.alloc(8_000).toString('base64') });
    context.began();
    expect(await estimate(context)).toEqual({ audioInput: 10 });
  });

  it('keeps a bounded part of long texts, and guesses at the rest', async () => {
    const context = new ContextMeter();
    for (let number = 0; number < 10; number += 1) {
      say(context, { type: 'conversation.item.create', text: 'x'.repeat(60_000) });
    }
    context.began();
    const { uncachedInput = 0 } = await estimate(context);
    expect(uncachedInput).toBeGreaterThan(80_000);
  });

  it('survives frames that are not JSON', async () => {
    const context = new ContextMeter();
    context.add(lookAt('{"type":"response.create",'), '{"type":"response.create",');
    context.began();
    expect(await estimate(context)).toEqual({ uncachedInput: 3 });
  });
});
