import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChatStream } from '../../../services/relay/dialects/openai/chatStream.ts';
import { ReceivedOutput } from '../../../services/relay/dialects/openai/receivedOutput.ts';
import { cut, PLAIN_QUIRKS, readStream, type StreamReading } from '../../unit/relay/chatFixtures.ts';

/** What stands between the quotes of a JSON string, seldom wrongly. */
const plain = fc.constantFrom('a', ' word', ' another word', '你好', 'é', '1', '\u2028', '', 'assistant', 'content');
const escaped = fc.constantFrom('\\n', '\\"q\\" \\/', '\\\\', '\\u4f60', '\\ud83d', 'a\\tb');
const any = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => JSON.stringify(text).slice(1, -1));
const odd = fc.constantFrom('\\x', '\\u12', '\t', '"', '\\', '\u007f', '\u0080', '\uFEFF', '\n\n', '\r');
const reaching = fc.constantFrom('"},"finish_reason":"stop"}],"x":[{"y":{"z":"', '","content":"twice');
const inQuotes = fc.oneof(
  { weight: 20, arbitrary: plain },
  { weight: 8, arbitrary: escaped },
  { weight: 4, arbitrary: any },
  { weight: 1, arbitrary: odd },
  { weight: 1, arbitrary: reaching },
);

/** The chunks of one provider: content is put at «», padding at ‹›. */
const shape = fc.constantFrom(
  '{"id":"c1","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"«»"},"finish_reason":null}],"usage":null}',
  '{"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"content": "«»"}, "finish_reason": null}]}',
  '{"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"«»"}}],"usage":null,"obfuscation":"‹›"}',
  '{"obfuscation":"‹›","id":"c1","model":"m","choices":[{"delta":{"content":"«»"}}]}',
  '{"id":"c1","choices":[{"index":1,"delta":{"role":"assistant","reasoning_content":"«»","content":null}}],"model":"n"}',
  '{"id":"c1","choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"«»"}}]}}],"x_groq":{"usage":"«»"}}',
  '{"id":"","model":"m","choices":[{"index":0,"delta":{"content":"«»"}}],"usage":{}}',
  '{"id":"c1","choices":[{"delta":{"content":"«»","images":[1]}}],"usage":{"prompt_tokens":1}}',
  '{"id":"c1","choices":[{"delta":{"content":"«»"},"finish_reason":"length"}],"error":null}',
  '{"id":"c1","choices":[{"delta":{"content":"«»","refusal":"a"}},{"index":1,"delta":{"content":"«»"}}]}',
  '{"id":"c1","choices":[{"index":0,"delta":{"content":"«»"}}],"service_tier":"flex"}',
  '{"id":"c1","service_tier":"priority","choices":[{"index":0,"delta":{"content":"«»"}}],"obfuscation":"‹›"}',
  '{"id":"c1","choices":[{"delta":{"content":"b"}}],"obfuscation":"‹›","choices":[{"delta":{"content":"«»"}}]}',
);
const run = fc
  .tuple(shape, fc.array(fc.tuple(inQuotes, inQuotes), { minLength: 1, maxLength: 8, size: 'max' }))
  .map(([json, fills]) =>
    fills.map(([content, padding]) => {
      const filled = json.replaceAll('«»', () => content).replace('‹›', () => padding);
      return `data: ${filled}\n\n`;
    }),
  );

const rare = fc.oneof(
  fc.constantFrom(
    'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n',
    'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7}}\n\n',
    'data: {"id":"c1","choices":[{"index":0,"delta":{}}],"service_tier":"default"}\n\n',
    'data: {"id":"c1","choices":[{"delta":{"content":"x"}}],"x_groq":{"usage":{"prompt_tokens":3}},"usage":null}\n\n',
    'data: [DONE]\n\n',
    'data: {"error":{"code":529}}\n\n',
    'event: error\n',
    'event: ping\n',
    'data:\n\n',
    'data: {"id":"c1",\n',
    ': comment\n\n',
    ': comment\r',
    '\uFEFF',
    '\n',
    '\r',
    '\r\n\r\n',
    'data: no JSON',
  ),
  fc.string({ unit: 'binary', maxLength: 5 }),
);

const stream = fc
  .tuple(
    fc.array(fc.oneof({ weight: 2, arbitrary: run }, { weight: 1, arbitrary: rare }), { maxLength: 6, size: 'max' }),
    fc.constantFrom('\n', '\n', '\n', '\n', '\r\n', '\r'),
    // One byte may be another one, so that some of it is not UTF-8.
    fc.option(fc.tuple(fc.nat(), fc.nat(255)), { freq: 3 }),
  )
  .map(([events, lineEnd, change]) => {
    const bytes = Buffer.from(events.flat().join('').replaceAll('\n', lineEnd));
    if (change !== null && bytes.length > 0) bytes[change[0] % bytes.length] = change[1];
    return bytes;
  });

const setting = fc.record({
  usageWanted: fc.boolean(),
  renameTo: fc.constantFrom(null, null, 'm', 'ours'),
  quirks: fc.record({
    usagePath: fc.constantFrom('usage', 'usage', 'x_groq.usage', 'choices.0.delta.content', 'obfuscation'),
    reasoningField: fc.constantFrom('reasoning_content', 'reasoning_content', 'content', 'role'),
  }),
});

type Setting = typeof setting extends fc.Arbitrary<infer Value> ? Value : never;

function observed({ text, stream: read, received }: Omit<StreamReading, 'events'>): unknown {
  const { done, failure, usage, serviceTier, template } = read;
  const { isEmpty, finished, finishReason } = received;
  return {
    text,
    done,
    failure,
    usage,
    serviceTier,
    template,
    isEmpty,
    finished,
    finishReason,
    count: received.toCount(),
  };
}

/** What has been forwarded, and counted, when no more than this has come. */
function soFar(pieces: readonly Buffer[], set: Setting): unknown {
  const quirks = { ...PLAIN_QUIRKS, ...set.quirks };
  const received = new ReceivedOutput(quirks.reasoningField);
  const read = new ChatStream({ ...set, quirks, received });
  const text = pieces.map((piece) => read.feed(piece)).join('');
  return observed({ text, stream: read, received });
}

describe('Events that are read by the shape of those before them', () => {
  it('come to what the parser makes of them, which reads every stream that arrives byte by byte', () => {
    fc.assert(
      fc.property(stream, setting, fc.array(fc.nat(), { maxLength: 8 }), (bytes, set, cuts) => {
        const expected = observed(readStream(cut(bytes, 1), set));
        expect(observed(readStream([bytes], set))).toEqual(expected);
        const places = cuts.map((place) => place % (bytes.length + 1)).sort((left, right) => left - right);
        const pieces = [...places, bytes.length].map((place, index) => bytes.subarray(places[index - 1] ?? 0, place));
        expect(observed(readStream(pieces, set))).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are forwarded no later than the parser forwards them', () => {
    fc.assert(
      fc.property(stream, setting, fc.nat(), fc.nat(), (bytes, set, first, second) => {
        const [from = 0, to = 0] = [first, second].map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
        const pieces = [bytes.subarray(0, from), bytes.subarray(from, to)];
        expect(soFar(pieces, set)).toEqual(soFar(cut(bytes.subarray(0, to), 1), set));
      }),
      { numRuns: 2_000 },
    );
  });
});
