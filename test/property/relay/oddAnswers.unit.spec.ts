import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outputTokens, totalTokens } from '../../../events/meters.ts';
import { CLIENTS, client, type GoldenClient } from '../../support/golden/clients.ts';
import type { Protocol } from '../../../services/relay/ports.ts';
import { PROTOCOLS, STREAMS } from '../../support/golden/streams.ts';
import { TOOL_STREAMS } from '../../support/golden/toolStreams.ts';
import { goldenCall, type Outcome } from '../../unit/relay/golden/goldenCall.ts';

/** What stands where something else was expected; all of it is JSON. */
const ODD: readonly unknown[] = [null, true, 0, -1, 1.5, 1e21, '', 'x', [], [null], {}, { a: [] }, [[]], ['x', 7, {}]];

/** One change of a stream: of an event's JSON at the `at`-th of its values, or of the order of the events. */
type Change =
  | { readonly kind: 'odd'; readonly event: number; readonly at: number; readonly value: unknown }
  | { readonly kind: 'drop' | 'repeat' | 'swap'; readonly event: number };

const changes: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('odd' as const),
        event: fc.nat(30),
        at: fc.nat(60),
        value: fc.constantFrom(...ODD),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('drop', 'repeat', 'swap'), event: fc.nat(30) }) },
  ),
  { minLength: 1, maxLength: 4 },
);

function changed(events: readonly string[], made: readonly Change[]): string[] {
  const all = [...events];
  for (const change of made) {
    const place = change.event % Math.max(1, all.length);
    const event = all[place] ?? '';
    if (change.kind === 'odd') all[place] = withOddValue(event, change.at, change.value);
    else if (change.kind === 'drop') all.splice(place, 1);
    else if (change.kind === 'repeat') all.splice(place, 0, event);
    else all.splice(place, 2, ...all.slice(place, place + 2).toReversed());
  }
  return all;
}

/** The event with another value at the `at`-th place of its JSON, counted in depth first; as it was where it has none. */
function withOddValue(event: string, at: number, value: unknown): string {
  const [json] = /[{[].*[}\]]/s.exec(event) ?? [];
  if (json === undefined || json.startsWith('[DONE')) return event;
  const parsed: unknown = JSON.parse(json);
  const places: (() => void)[] = [];
  collect(parsed, value, places);
  places[at % Math.max(1, places.length)]?.();
  return event.replace(json, () => JSON.stringify(parsed));
}

function collect(node: unknown, value: unknown, places: (() => void)[]): void {
  if (typeof node !== 'object' || node === null) return;
  const members = node as Record<string, unknown>;
  for (const name of Object.keys(members)) {
    places.push(() => {
      members[name] = value;
    });
    collect(members[name], value, places);
  }
}

const words = (text: string): number => text.split(/\s+/u).filter((word) => word !== '').length;

/** Pairs in which a stream goes on as it came, so that its client gets whatever oddity it has. */
const PASSED: Readonly<Partial<Record<Protocol, RegExp>>> = {
  openai: /^(openai|hub)$/,
  claude: /^claude$/,
  gemini: /^gemini/,
  ollama: /^ollama$/,
};

function expectSound(one: GoldenClient, protocol: Protocol, streamed: boolean, outcome: Outcome): void {
  expect(totalTokens(outcome.usage)).toBeLessThanOrEqual(outcome.heldTokens);
  expect(outcome.picos).toBeLessThanOrEqual(outcome.heldPicos);
  expect(outcome.picos >= 0n).toBe(true);
  if (outcome.status !== 200) {
    expect(one.isError(JSON.parse(outcome.body) as Record<string, unknown>), outcome.body).toBe(true);
  } else if (!streamed) expect(JSON.parse(outcome.body)).toBeTypeOf('object');
  else if (!PASSED[protocol]?.test(one.name)) {
    const read = one.read(outcome.body);
    expect(read.closed, outcome.body).toBe(true);
    expect(read.errors).toBe(outcome.ending.type === 'RequestCompleted' ? 0 : 1);
    // A count that a provider states holds, though it may be less than the words.
    if (outcome.source === 'estimated' && !outcome.clamped) {
      expect(words(read.text)).toBeLessThanOrEqual(outputTokens(outcome.usage));
    }
  }
  const { ending } = outcome;
  if (ending.type === 'RequestFailed' && ending.httpStatus !== 200) expect(outcome.picos).toBe(0n);
}

const toolStreams: Readonly<Record<string, readonly string[] | undefined>> = TOOL_STREAMS;

describe('Whatever JSON a provider puts where something else was expected, in whatever order', () => {
  it.each(PROTOCOLS)(
    '%s: every client gets a well-formed answer or error, and the call one settlement',
    async (protocol) => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...CLIENTS.map(({ name }) => name)),
          fc.boolean(),
          fc.boolean(),
          changes,
          fc.integer({ min: 1, max: 400 }),
          fc.constantFrom('end' as const, 'cut' as const),
          async (name, streamed, withTools, made, size, close) => {
            const one = client(name);
            const { contentType, events } = STREAMS[protocol];
            const stream = Buffer.from(changed((withTools ? toolStreams[protocol] : null) ?? events, made).join(''));
            const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, at) =>
              stream.subarray(at * size, (at + 1) * size),
            );
            const asked = { call: await one.call(streamed), face: one.face(streamed), protocol };
            expectSound(one, protocol, streamed, await goldenCall(asked, { contentType, pieces, close }));
          },
        ),
        { numRuns: 400 },
      );
    },
  );
});
