import { describe, expect, it } from 'vitest';
import { CLIENTS, client } from '../../../support/golden/clients.ts';
import { PROTOCOLS, STREAMS, TEXT, THINKING } from '../../../support/golden/streams.ts';
import { TOOL_STREAMS } from '../../../support/golden/toolStreams.ts';
import { WHOLE_ANSWERS } from '../../../support/golden/wholeAnswers.ts';
import { expectSameHoweverCut, inTwo, pieces, spelledOtherwise, streamedTo } from './cutting.ts';
import { goldenCall } from './goldenCall.ts';

const PAIRS = CLIENTS.flatMap((one) => PROTOCOLS.map((protocol) => [one.name, protocol] as const));
const OWN = CLIENTS.flatMap((one) => one.own.map((protocol) => [one.name, protocol] as const));
const CROSSED = PAIRS.filter(([name, protocol]) => !client(name).own.includes(protocol));

/** Cuts of pairs that only cross what others read already. */
const STEP = 37;

describe('A golden stream', () => {
  it.each(PAIRS)(
    'reaches a client of %s from %s whole, well formed, ended once, and is settled as reported',
    async (name, protocol) => {
      const { contentType, events } = STREAMS[protocol];
      const outcome = await streamedTo(client(name), protocol, { contentType, pieces: events });
      const read = client(name).read(outcome.body);
      expect(read).toEqual({
        text: TEXT,
        thinking: expect.toBeOneOf([THINKING, '']) as string,
        ends: 1,
        errors: 0,
        closed: true,
      });
      const output = protocol === 'gemini' ? { outputText: 50, reasoning: 10 } : { outputText: 60 };
      expect(outcome).toMatchObject({ source: 'reported', clamped: false, usage: { uncachedInput: 20, ...output } });
      // 20 × 1 000 in, and 60 × 5 000 out; Gemini says that 10 of these were thoughts, at 6 000.
      expect(outcome.picos).toBe(protocol === 'gemini' ? 330_000n : 320_000n);
      expect(outcome.ending.type).toBe('RequestCompleted');
    },
  );
});

describe('However the network cuts a stream, its client gets the same bytes and the call the same settlement', () => {
  it.each(OWN)('%s from %s: at every position, byte by byte and in pieces of 7', async (name, protocol) => {
    const stream = STREAMS[protocol];
    const bytes = Buffer.from(stream.events.join(''));
    await expectSameHoweverCut(client(name), protocol, stream, [...inTwo(bytes), pieces(bytes, 1), pieces(bytes, 7)]);
  });

  it.each(CROSSED)('%s from %s: inside every character, byte by byte and in pieces of 7', async (name, protocol) => {
    const stream = STREAMS[protocol];
    const bytes = Buffer.from(stream.events.join(''));
    const cuts = [...inTwo(bytes, STEP), pieces(bytes, 1), pieces(bytes, 7)];
    await expectSameHoweverCut(client(name), protocol, stream, cuts);
  });

  it.each(PAIRS)(
    '%s from %s: with other line ends, comments, a BOM, and without its last blank line',
    async (name, protocol) => {
      const stream = STREAMS[protocol];
      await expectSameHoweverCut(client(name), protocol, stream, spelledOtherwise(stream));
    },
  );
});

const WITH_TOOLS = CLIENTS.filter(({ name }) => !['completions', 'gateway'].includes(name)).flatMap((one) =>
  (['openai', 'claude', 'gemini', 'ollama'] as const).map((protocol) => [one.name, protocol] as const),
);

describe('However the network cuts the tool calls of an answer, they stay what they are', () => {
  it.each(WITH_TOOLS)('%s from %s', async (name, protocol) => {
    const own = client(name).own.includes(protocol);
    const stream = { contentType: STREAMS[protocol].contentType, events: TOOL_STREAMS[protocol] };
    const bytes = Buffer.from(stream.events.join(''));
    const { body } = await streamedTo(client(name), protocol, { ...stream, pieces: [bytes] });
    expect(body.replaceAll('\\u5317\\u4eac', '北京')).toContain('北京');
    expect(client(name).read(body)).toMatchObject({ ends: 1, errors: 0 });
    await expectSameHoweverCut(client(name), protocol, stream, [...inTwo(bytes, own ? 2 : STEP), pieces(bytes, 1)]);
  });
});

describe('However the network cuts what a client gets whole, it gets the same bytes', () => {
  it.each(PAIRS)('%s from %s', async (name, protocol) => {
    const one = client(name);
    const { contentType, events } = STREAMS[protocol];
    const json = WHOLE_ANSWERS[protocol];
    const bytes = Buffer.from(json ?? events.join(''));
    const bodyOf = async (cut: readonly Buffer[]) => {
      const asked = { call: await one.call(false), face: one.face(false), protocol };
      const answered = { contentType: json === undefined ? contentType : 'application/json', pieces: cut };
      const { status, body, ending } = await goldenCall(asked, answered);
      expect([status, ending.type]).toEqual([200, 'RequestCompleted']);
      return body;
    };
    const whole = await bodyOf([bytes]);
    for (const cut of [...inTwo(bytes, STEP * 3), pieces(bytes, 1), pieces(bytes, 7)]) {
      expect(await bodyOf(cut)).toBe(whole);
    }
  });
});
