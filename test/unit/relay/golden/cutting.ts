import { expect } from 'vitest';
import type { GoldenClient } from '../../../support/golden/clients.ts';
import type { GoldenStream } from '../../../support/golden/streams.ts';
import type { Protocol } from '../../../../services/relay/ports.ts';
import { goldenCall, type Answered, type Outcome } from './goldenCall.ts';

/** The bytes in pieces of `size`. */
export function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

/** In two pieces, cut at every position, or at every `step`-th one and inside every character of several bytes. */
export function* inTwo(bytes: Buffer, step = 1): Generator<Buffer[]> {
  for (let at = 1; at < bytes.length; at += 1) {
    const insideCharacter = ((bytes[at] ?? 0) & 0xc0) === 0x80;
    if (at % step === 0 || insideCharacter) yield [bytes.subarray(0, at), bytes.subarray(at)];
  }
}

/** The same stream in other spellings that mean the same, each whole and byte by byte. */
export function* spelledOtherwise({ events, sse }: GoldenStream): Generator<Buffer[]> {
  const stream = events.join('').replaceAll('\r\n', '\n');
  const spellings = sse
    ? [
        stream.replaceAll('\n', '\r\n'),
        stream.replaceAll('\n\n', '\n\n: comment\n\n'),
        withoutSpaces(stream),
        `\uFEFF${stream}`,
      ]
    : [stream.replaceAll('\n', '\r\n'), stream.replaceAll('\n', '\n\n')];
  for (const spelled of [...spellings, stream.trimEnd()]) {
    yield [Buffer.from(spelled)];
    yield pieces(Buffer.from(spelled), 1);
  }
}

function withoutSpaces(stream: string): string {
  return stream.replaceAll(/^(data|event): /gm, '$1:');
}

export async function streamedTo(client: GoldenClient, protocol: Protocol, answered: Answered): Promise<Outcome> {
  return goldenCall({ call: await client.call(true), face: client.face(true), protocol }, answered);
}

/** Holds a pair to one client stream and one settlement, however its bytes are cut. */
export async function expectSameHoweverCut(
  client: GoldenClient,
  protocol: Protocol,
  { contentType, events }: Pick<GoldenStream, 'contentType' | 'events'>,
  cuts: Iterable<readonly Buffer[]>,
): Promise<void> {
  const whole = await streamedTo(client, protocol, { contentType, pieces: [events.join('')] });
  expect(whole.ending.type).toBe('RequestCompleted');
  const expected = JSON.stringify(comparable(whole));
  for (const cut of cuts) {
    const outcome = await streamedTo(client, protocol, { contentType, pieces: cut });
    // Comparing objects deeply costs more than the call itself.
    if (JSON.stringify(comparable(outcome)) === expected) continue;
    const where = cut.length === 2 ? `cut after ${String(cut[0]?.length)} bytes` : `${String(cut.length)} pieces`;
    expect(comparable(outcome), where).toEqual(comparable(whole));
  }
}

function comparable({ picos, heldPicos, ...rest }: Outcome) {
  return { ...rest, picos: String(picos), heldPicos: String(heldPicos) };
}
