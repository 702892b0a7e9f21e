import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import {
  END,
  eventsIn,
  finish,
  ID,
  START,
  streamOf,
  text,
  thinking,
  toolArguments,
  toolEnd,
  toolStart,
  wholeOf,
  type Event,
} from './fixtures.ts';

/** The events between the opening and the end, without their numbers. */
function steps(events: readonly AnswerEvent[], change?: Readonly<Record<string, unknown>>): Event[] {
  return eventsIn(streamOf(events, change).text)
    .slice(2, -1)
    .map(({ sequence_number: _number, ...step }) => step as Event);
}

const types = (events: readonly Event[]): string[] =>
  events.map(({ type }) => type.replace('response.', '').replace('reasoning_summary', 'summary'));

const usage: AnswerEvent = { type: 'usage', usage: { input: { uncachedInput: 1 }, output: null } };
const signature: AnswerEvent = { type: 'signature', choice: 0, signature: 's' };

describe('a streamed response', () => {
  it('gives nothing for a start alone, nor for what has no content', () => {
    const silent: AnswerEvent[] = [START, { type: 'session', platformId: 'p' }, usage, text(''), signature];
    expect(streamOf(silent).pieces).toEqual(['', '', '', '', '']);
  });

  it('opens with its first content and counts its events', () => {
    const { pieces } = streamOf([START, text('Hi')]);
    const events = eventsIn(pieces[1] ?? '');
    expect(types(events)).toEqual([
      ...['created', 'in_progress', 'output_item.added', 'content_part.added', 'output_text.delta'],
    ]);
    expect(events.map(({ sequence_number: number }) => number)).toEqual([0, 1, 2, 3, 4]);
    const begun = { id: `resp_${ID}`, object: 'response', status: 'in_progress', model: 'our-model', output: [] };
    expect(events[0]?.['response']).toMatchObject({ ...begun, created_at: 1_790_000_000, usage: null, error: null });
    expect(events[1]?.['response']).toEqual(events[0]?.['response']);
  });

  it('opens with a finish that no content came before, and ends with an empty output', () => {
    const { pieces, text: whole } = streamOf([START, finish('stop')]);
    expect(types(eventsIn(pieces[1] ?? ''))).toEqual(['created', 'in_progress']);
    expect(eventsIn(whole).at(-1)).toMatchObject({ type: 'response.completed', response: { output: [] } });
    expect(types(eventsIn(streamOf([]).text))).toEqual(['created', 'in_progress', 'completed']);
  });

  it('tells a text piece by piece and closes it only in its ending', () => {
    const { pieces, ending } = streamOf([text('你'), text('好\n'), finish('stop'), END]);
    expect(pieces[1]).toBe(
      `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":5,` +
        `"item_id":"msg_${ID}_0","output_index":0,"content_index":0,"delta":"好\\n","logprobs":[]}\n\n`,
    );
    expect(pieces.slice(2)).toEqual(['', '']);
    const place = { item_id: `msg_${ID}_0`, output_index: 0, content_index: 0 };
    const part = { type: 'output_text', text: '你好\n', annotations: [], logprobs: [] };
    const item = { id: `msg_${ID}_0`, type: 'message', status: 'completed', role: 'assistant', content: [part] };
    expect(eventsIn(ending)).toMatchObject([
      { type: 'response.output_text.done', sequence_number: 6, ...place, text: '你好\n', logprobs: [] },
      { type: 'response.content_part.done', sequence_number: 7, ...place, part },
      { type: 'response.output_item.done', sequence_number: 8, output_index: 0, item },
      { type: 'response.completed', sequence_number: 9, response: { status: 'completed', output: [item] } },
    ]);
  });

  it('gives each call its own item, after the text is closed', () => {
    const told = steps([
      ...[text('Look.'), toolStart(0, 'call_a', 'weather'), toolArguments(0, '{"city"'), toolArguments(0, ':"Köln"}')],
      ...[toolEnd(0), toolStart(1, 'call_b', 'now'), toolEnd(1), finish('tool_calls')],
    ]);
    expect(types(told)).toEqual([
      ...['output_item.added', 'content_part.added', 'output_text.delta'],
      ...['output_text.done', 'content_part.done', 'output_item.done'],
      ...['output_item.added', 'function_call_arguments.delta', 'function_call_arguments.delta'],
      ...['function_call_arguments.done', 'output_item.done'],
      ...['output_item.added', 'function_call_arguments.delta', 'function_call_arguments.done', 'output_item.done'],
    ]);
    const call = { id: `fc_${ID}_1`, type: 'function_call', call_id: 'call_a', name: 'weather' };
    expect(told[6]).toMatchObject({ output_index: 1, item: { ...call, status: 'in_progress', arguments: '' } });
    expect(told[9]).toMatchObject({ item_id: `fc_${ID}_1`, output_index: 1, arguments: '{"city":"Köln"}' });
    expect(told[10]).toMatchObject({ item: { ...call, status: 'completed', arguments: '{"city":"Köln"}' } });
    expect(told[14]).toMatchObject({ output_index: 2, item: { call_id: 'call_b', name: 'now', arguments: '{}' } });
  });

  it('names calls that came without an id, or with one that another call has', () => {
    const told = steps([
      toolStart(0, null, 'a'),
      toolStart(1, 'x', 'b'),
      toolStart(2, 'x', 'c'),
      toolStart(3, '', 'd'),
    ]);
    const ids = told
      .filter(({ type }) => type.endsWith('added'))
      .map(({ item }) => (item as { call_id: string }).call_id);
    expect(ids).toEqual([`call_${ID}_0`, 'x', `call_${ID}_2`, `call_${ID}_3`]);
  });

  it('shows thinking as a summary to a client that asked for one, in parts that signatures end', () => {
    const events = [thinking('Well'), thinking('…'), signature, thinking('Yes.'), text('Hi')];
    const told = steps(events, { reasoning: { summary: 'auto' } });
    expect(types(told)).toEqual([
      ...['output_item.added', 'summary_part.added', 'summary_text.delta', 'summary_text.delta'],
      ...['summary_text.done', 'summary_part.done', 'summary_part.added', 'summary_text.delta'],
      ...['summary_text.done', 'summary_part.done', 'output_item.done'],
      ...['output_item.added', 'content_part.added', 'output_text.delta'],
      ...['output_text.done', 'content_part.done', 'output_item.done'],
    ]);
    expect(told[4]).toMatchObject({ item_id: `rs_${ID}_0`, summary_index: 0, text: 'Well…' });
    const summary = ['Well…', 'Yes.'].map((said) => ({ type: 'summary_text', text: said }));
    expect(told[10]).toMatchObject({ item: { id: `rs_${ID}_0`, type: 'reasoning', summary } });
  });

  it('keeps thinking to itself otherwise, and says only that there was some', () => {
    const redacted: AnswerEvent = { type: 'redactedThinking', choice: 0, data: 'secret' };
    const { text: written } = streamOf([thinking('private'), signature, redacted, text('Hi')]);
    expect(written).not.toMatch(/private|secret|summary_text/);
    expect(eventsIn(written).at(-1)?.['response']).toMatchObject({
      output: [{ type: 'reasoning', summary: [] }, { type: 'message' }],
    });
  });

  it('puts a refusal into a part of its own', () => {
    const refusal: AnswerEvent = { type: 'refusal', choice: 0, text: 'No.' };
    const told = steps([text('Hm.'), refusal, finish('refusal')]);
    expect(types(told).slice(3)).toEqual([
      ...['output_text.done', 'content_part.done', 'content_part.added', 'refusal.delta'],
      ...['refusal.done', 'content_part.done', 'output_item.done'],
    ]);
    expect(told[6]).toMatchObject({ output_index: 0, content_index: 1, delta: 'No.' });
    expect(told[7]).toMatchObject({ content_index: 1, refusal: 'No.' });
  });

  it('gives a picture as the result of an image generation', () => {
    const told = steps([{ type: 'image', choice: 0, mime: 'image/png', data: 'aGk=' }]);
    expect(types(told)).toEqual(['output_item.added', 'image_generation_call.completed', 'output_item.done']);
    const item = { id: `ig_${ID}_0`, type: 'image_generation_call', output_format: 'png' };
    expect(told[0]).toMatchObject({ item: { ...item, status: 'in_progress', result: null } });
    expect(told[2]).toMatchObject({ item: { ...item, status: 'completed', result: 'aGk=' } });
  });

  it('tells nothing of further choices', () => {
    const other: AnswerEvent = { type: 'text', choice: 1, text: 'other' };
    const otherEnd: AnswerEvent = { type: 'finish', choice: 1, reason: 'length', stopSequence: null };
    const { pieces, ending } = streamOf([other, otherEnd, text('Hi')]);
    expect(pieces.slice(0, 2)).toEqual(['', '']);
    expect(eventsIn(ending).at(-1)?.type).toBe('response.completed');
  });

  it('has one line of data for each event, whatever the text holds, and no [DONE]', () => {
    const { text: written } = streamOf([text('a\n\nb\r\u2028"'), finish('stop')]);
    expect(eventsIn(written).at(-1)).toMatchObject({
      response: { output: [{ content: [{ text: 'a\n\nb\r\u2028"' }] }] },
    });
    expect(written).not.toContain('[DONE]');
    expect(written).not.toContain('\r');
  });

  const calls = [toolStart(0, null, 'now'), toolEnd(0), text('And'), thinking('so'), toolStart(1, 'x', 'b')];
  const answers: [string, AnswerEvent[]][] = [
    ['a text', [START, text('Hi'), finish('stop')]],
    ['nothing', [START, finish('content_filter')]],
    [
      'thinking and calls',
      [thinking('a'), signature, thinking('b'), ...calls, toolArguments(1, '{"a'), finish('length')],
    ],
    ['a signature without thinking', [text('a'), signature, text('b'), thinking('c'), finish('stop')]],
    ['a refusal', [text('Hm'), { type: 'refusal', choice: 0, text: 'No' }, text('but'), finish('refusal')]],
    ['a picture', [text('Here'), { type: 'image', choice: 0, mime: 'image/webp', data: 'aGk=' }, finish('stop')]],
  ];
  it.each(answers)('ends with the response that a whole answer of %s is', (_what, events) => {
    const change = { reasoning: { summary: 'auto' } };
    const ended = eventsIn(streamOf(events, change).text).at(-1)?.['response'];
    expect(ended).toEqual(JSON.parse(wholeOf(events, change)));
  });
});
