import { describe, expect, it } from 'vitest';
import { outputTokens, totalTokens } from '../../../../events/meters.ts';
import type { Protocol } from '../../../../services/relay/ports.ts';
import { CLIENTS, client, type GoldenClient } from '../../../support/golden/clients.ts';
import { PROTOCOLS, STREAMS, TEXT, THINKING, type GoldenStream } from '../../../support/golden/streams.ts';
import { goldenCall, type Answered, type Outcome } from './goldenCall.ts';

const PAIRS = CLIENTS.flatMap((one) => PROTOCOLS.map((protocol) => [one.name, protocol] as const));
const words = (text: string): number => text.split(/\s+/u).filter((word) => word !== '').length;

/** An upstream that stops after so many of its events. */
function stopped({ contentType, events }: GoldenStream, after: number, close: 'end' | 'cut'): Answered {
  return { contentType, pieces: events.slice(0, after), close };
}

function expectWithinItsHold(outcome: Outcome): void {
  expect(totalTokens(outcome.usage)).toBeLessThanOrEqual(outcome.heldTokens);
  expect(outcome.picos).toBeLessThanOrEqual(outcome.heldPicos);
}

/** Nothing had reached the client, so it gets an error as the whole answer, and no bill. */
function expectRefused(one: GoldenClient, outcome: Outcome): void {
  expect(outcome.status).toBeGreaterThanOrEqual(500);
  expect(outcome.contentType).toMatch(/^application\/json/);
  expect(one.isError(JSON.parse(outcome.body) as Record<string, unknown>), outcome.body).toBe(true);
  expect(outcome).toMatchObject({ usage: {}, source: 'none', picos: 0n });
  expect(outcome.ending).toMatchObject({ type: 'RequestFailed', httpStatus: expect.not.toBeOneOf([200]) as number });
}

/** What the client has got stands, an error ends it, and no less than what it got is billed. */
function expectCut(one: GoldenClient, outcome: Outcome): void {
  const read = one.read(outcome.body);
  expect(read).toMatchObject({ ends: 0, errors: 1, closed: true });
  expect(TEXT.startsWith(read.text)).toBe(true);
  expect(THINKING.startsWith(read.thinking)).toBe(true);
  const delivered = read.thinking + read.text;
  expect(words(delivered)).toBeLessThanOrEqual(outputTokens(outcome.usage));
  expect((outcome.usage.uncachedInput ?? 0) > 0).toBe(delivered !== '' || outcome.source !== 'none');
  expect(outcome.ending).toMatchObject({ type: 'RequestFailed', httpStatus: 200 });
}

function expectWhole(one: GoldenClient, outcome: Outcome): void {
  expect(one.read(outcome.body)).toMatchObject({ text: TEXT, ends: 1, errors: 0, closed: true });
  expect(outcome.ending.type).toBe('RequestCompleted');
  expect(words(TEXT)).toBeLessThanOrEqual(outputTokens(outcome.usage));
}

describe('An upstream that stops after any of its events', () => {
  it.each(PAIRS)('%s from %s: gives a well-formed end and one settlement within its hold', async (name, protocol) => {
    const one = client(name);
    const stream = STREAMS[protocol];
    for (const close of ['end', 'cut'] as const) {
      for (let after = 0; after <= stream.events.length; after += 1) {
        const outcome = await goldenCall(
          { call: await one.call(true), face: one.face(true), protocol },
          stopped(stream, after, close),
        );
        expectWithinItsHold(outcome);
        const whole = close === 'end' ? after >= stream.wholeAfter : outcome.ending.type === 'RequestCompleted';
        // A broken socket is an end only where the upstream had said that nothing follows.
        if (close === 'cut' && whole) expect(after).toBeGreaterThanOrEqual(stream.wholeAfter);
        if (whole) expectWhole(one, outcome);
        else if (outcome.status === 200) expectCut(one, outcome);
        else expectRefused(one, outcome);
      }
    }
  });

  it.each(PAIRS)(
    '%s from %s: without a stream, is refused and free until its answer is whole',
    async (name, protocol) => {
      const one = client(name);
      const stream = STREAMS[protocol];
      for (let after = 0; after <= stream.events.length; after += 1) {
        const outcome = await goldenCall(
          { call: await one.call(false), face: one.face(false), protocol },
          stopped(stream, after, 'end'),
        );
        expectWithinItsHold(outcome);
        if (outcome.status !== 200) expectRefused(one, outcome);
        else expect(outcome.ending.type).toBe('RequestCompleted');
        if (outcome.status === 200) expect(after).toBeGreaterThanOrEqual(stream.wholeAfter);
      }
    },
  );
});

/** Bytes between two places at which a stream is broken off. */
const STEP = 7;

/** Pairs whose client is told nothing while the model thinks. */
const SILENT = PAIRS.filter(
  ([name, protocol]) => name === 'completions' || (name === 'claude' && protocol !== 'claude'),
);

describe('An upstream that stops inside of an event', () => {
  it.each(PAIRS.filter((pair) => !SILENT.includes(pair)))(
    '%s from %s: gives a well-formed end and one settlement within its hold',
    stopsInside,
  );

  it.each(SILENT)('%s from %s: is free where nothing of it was told', stopsInside);
});

async function stopsInside(name: string, protocol: Protocol): Promise<void> {
  const one = client(name);
  const { contentType, events, wholeAfter } = STREAMS[protocol];
  const bytes = Buffer.from(events.join(''));
  const finished = Buffer.byteLength(events.slice(0, wholeAfter).join(''));
  const step = one.own.includes(protocol) ? STEP : STEP * 5;
  for (let length = 1; length < bytes.length; length += step) {
    const answered = { contentType, pieces: [bytes.subarray(0, length)] };
    const outcome = await goldenCall({ call: await one.call(true), face: one.face(true), protocol }, answered);
    expectWithinItsHold(outcome);
    // Line ends are all that a finish may lack.
    if (outcome.ending.type === 'RequestCompleted') expect(length).toBeGreaterThan(finished - 5);
    if (outcome.ending.type === 'RequestCompleted') expectWhole(one, outcome);
    else if (outcome.status === 200) expectCut(one, outcome);
    else expectRefused(one, outcome);
  }
}
