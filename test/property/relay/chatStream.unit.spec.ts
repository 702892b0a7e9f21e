import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunk, cut, readStream, sse, usageChunk, type StreamReading } from '../../unit/relay/chatFixtures.ts';

const USAGE = { prompt_tokens: 9, completion_tokens: 7, total_tokens: 16 };
const GOLDEN = [
  chunk({ delta: { role: 'assistant', content: '' } }),
  chunk({ delta: { content: '你好，世界' } }),
  chunk({ delta: { content: '👩‍👩‍👧 é \u2028 "quoted" \\n' } }),
  chunk({ delta: { tool_calls: [{ index: 0, function: { name: 'f', arguments: '{"π":3}' } }] } }),
  chunk({ finish: 'stop' }),
].map((one) => ({ ...one, usage: null }));
const EXPECTED = GOLDEN.map(({ usage: _usage, ...rest }) => rest);
const STREAM = sse(...GOLDEN, usageChunk(USAGE), '[DONE]');

function expectGolden({ events, stream, received }: StreamReading): void {
  expect(events).toEqual(EXPECTED);
  expect(stream.usage).toEqual(USAGE);
  expect(stream.failure).toBeNull();
  expect(stream.done).toBe(true);
  expect(received.finished).toBe(true);
}

const text = STREAM.toString();
const VARIANTS: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['as it is', STREAM],
  ['with CRLF', Buffer.from(text.replaceAll('\n', '\r\n'))],
  ['with lone CR', Buffer.from(text.replaceAll('\n', '\r'))],
  ['without the space after "data:"', Buffer.from(text.replaceAll('data: ', 'data:'))],
  ['with comments between and inside events', Buffer.from(text.replaceAll('data: ', ': ping\n\n: ping\ndata: '))],
  ['with a BOM', Buffer.concat([Buffer.from('\uFEFF'), STREAM])],
  ['without the last blank line', STREAM.subarray(0, -2)],
  ['without blank lines', Buffer.from(text.replaceAll('\n\n', '\n'))],
  ['with two [DONE]', Buffer.concat([STREAM, sse('[DONE]')])],
  ['with ids and event names', Buffer.from(text.replaceAll('data: ', 'event: message\nid: 1\nretry: 5\ndata: '))],
];

describe('However the bytes of a stream are cut', () => {
  it.each(VARIANTS)('the forwarded events are the same: %s', (_name, bytes) => {
    for (const size of [1, 2, 3, 7, bytes.length]) expectGolden(readStream(cut(bytes, size)));
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 30 }), (places) => {
        const edges = [0, ...places.sort((left, right) => left - right), bytes.length];
        expectGolden(readStream(edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge))));
      }),
      { numRuns: 60 },
    );
  });

  it('arbitrary bytes never throw, and what is forwarded is whole events', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(
        'data: ',
        '\n',
        '\n\n',
        '\r',
        '[DONE]',
        '{"choices":[',
        '{"index":0}',
        ']}',
        'event: error\n',
        'null',
      ),
      fc.json().map((json) => `data: ${json}\n\n`),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.boolean(), (pieces, usageWanted) => {
        const renameTo = usageWanted ? 'm' : null;
        readStream(
          pieces.map((one) => Buffer.from(one)),
          { usageWanted, renameTo },
        );
      }),
      { numRuns: 500 },
    );
  });
});
