import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import { ToolLine } from '../../../../services/relay/dialects/openai/toolLine.ts';
import { joined } from './canonicalFixtures.ts';

const FIRST = [fragment(0, '', { id: 'a', name: 'f' }), fragment(0, '{"x":'), fragment(0, '"}"}')];
const SECOND = [fragment(1, '{"y"', { id: 'b', name: 'g' }), fragment(1, ':[{}'), fragment(1, ']}')];
const IN_LINE: AnswerEvent[] = [
  { type: 'toolStart', choice: 0, call: 0, id: 'a', name: 'f' },
  { type: 'toolArguments', choice: 0, call: 0, json: '{"x":"}"}' },
  { type: 'toolEnd', choice: 0, call: 0 },
  { type: 'toolStart', choice: 0, call: 1, id: 'b', name: 'g' },
  { type: 'toolArguments', choice: 0, call: 1, json: '{"y":[{}]}' },
  { type: 'toolEnd', choice: 0, call: 1 },
];

function fragment(index: number, json: string, begins: { id?: string; name?: string } = {}): Record<string, unknown> {
  const { id, name } = begins;
  return { index, id, function: { name, arguments: json } };
}

/** Every order of two lists in which each keeps its own. */
function interleavings<Item>(left: readonly Item[], right: readonly Item[]): Item[][] {
  const [first, ...others] = left;
  const [second, ...rest] = right;
  if (first === undefined || second === undefined) return [[...left, ...right]];
  return [
    ...interleavings(others, right).map((order) => [first, ...order]),
    ...interleavings(left, rest).map((order) => [second, ...order]),
  ];
}

function inLine(fragments: readonly Record<string, unknown>[]): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  const line = new ToolLine(0, (event) => events.push(event));
  for (const next of fragments) line.add(next);
  expect(line.end()).toBe(true);
  expect(line.started).toBe(2);
  return joined(events);
}

describe('Two calls whose fragments are mixed', () => {
  const orders = interleavings(FIRST, SECOND);

  it('come one after the other, in every order of their fragments in which the first one begins', () => {
    const begun = orders.filter(([first]) => first === FIRST[0]);
    expect(begun).toHaveLength(10);
    for (const order of begun) expect(inLine(order)).toEqual(IN_LINE);
  });

  it('are numbered as they began', () => {
    const begun = orders.filter(([first]) => first === SECOND[0]);
    const starts = begun.map((order) => inLine(order).filter(({ type }) => type === 'toolStart'));
    for (const names of starts)
      expect(names).toMatchObject([
        { call: 0, name: 'g' },
        { call: 1, name: 'f' },
      ]);
  });

  it('give every byte of their arguments, whoever is open', () => {
    for (const order of orders) {
      const texts = inLine(order).flatMap((event) => (event.type === 'toolArguments' ? [event.json] : []));
      expect(texts.sort()).toEqual(['{"x":"}"}', '{"y":[{}]}']);
    }
  });
});

describe('What waits behind an open call', () => {
  it('is given when the choice ends, though the call was never complete', () => {
    const events: AnswerEvent[] = [];
    const line = new ToolLine(3, (event) => events.push(event));
    line.add(fragment(0, '{"x', { name: 'f' }));
    line.pass({ type: 'text', choice: 3, text: 'so' });
    line.add(fragment(1, '', { name: 'g' }));
    expect(events.map(({ type }) => type)).toEqual(['toolStart', 'toolArguments']);
    line.end();
    const rest = ['toolEnd', 'text', 'toolStart', 'toolEnd'];
    expect(events.map(({ type }) => type)).toEqual(['toolStart', 'toolArguments', ...rest]);
  });

  it('cannot reach a call that has ended', () => {
    const events: AnswerEvent[] = [];
    const line = new ToolLine(0, (event) => events.push(event));
    line.add(fragment(0, '{}', { id: 'a', name: 'f' }));
    line.pass({ type: 'text', choice: 0, text: 'so' });
    line.add(fragment(0, '{}'));
    expect(events.at(-1)).toEqual({ type: 'text', choice: 0, text: 'so' });
  });
});
