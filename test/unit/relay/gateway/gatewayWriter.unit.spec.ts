import { describe, expect, it } from 'vitest';
import type { AnswerEvent, FinishReason } from '../../../../services/relay/canonical/answer.ts';
import { CollectedAnswer } from '../../../../services/relay/canonical/collectAnswer.ts';
import { GATEWAY_FACE } from '../../../../services/relay/dialects/gateway/face.ts';
import { gatewayWriter } from '../../../../services/relay/dialects/gateway/writer.ts';
import { eventsOf } from '../chatFixtures.ts';
import { BILLED, CONTEXT } from './gatewayFixtures.ts';

const WRITER = gatewayWriter({ streamed: true, sessionId: 's1' });
const WRITING = { ...CONTEXT, model: 'fastgpt' };
const USAGE = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };

const text = (value: string, choice = 0): AnswerEvent => ({ type: 'text', choice, text: value });
const finish = (reason: FinishReason, choice = 0): AnswerEvent => ({
  type: 'finish',
  choice,
  reason,
  stopSequence: null,
});

interface Chunk {
  readonly choices: readonly { index: number; delta: object; finish_reason: string | null }[];
  readonly usage?: object;
}

/** The chunks that the events give at once, and those of the ending. */
function streamed(...events: AnswerEvent[]): { now: Chunk[]; ending: Chunk[] } {
  const encoder = WRITER.encoder(WRITING);
  const now = events.map((event) => encoder.write(event)).join('');
  const [ending = '', rest] = encoder.ending(BILLED).split('data: [DONE]\n\n');
  expect(rest).toBe('');
  return { now: eventsOf(now) as Chunk[], ending: eventsOf(ending) as Chunk[] };
}

function whole(...events: AnswerEvent[]): { choices: { message: object; finish_reason: string }[] } {
  const collected = new CollectedAnswer();
  for (const event of events) collected.add(event);
  return JSON.parse(WRITER.whole(collected.answer(), BILLED, WRITING)) as ReturnType<typeof whole>;
}

describe('The gateway’s stream', () => {
  it('opens with the role at the first content, not before', () => {
    const { now } = streamed({ type: 'start', id: 'x', model: 'y' }, { type: 'session', platformId: 'p' }, text(''));
    expect(now).toEqual([]);
    const opened = streamed({ type: 'thinking', choice: 0, text: 'hm' }, text('a'), text('b'));
    expect(opened.now.map(({ choices }) => choices[0]?.delta)).toEqual([
      { role: 'assistant', reasoning_content: 'hm' },
      { content: 'a' },
      { content: 'b' },
    ]);
  });

  it('of an empty answer has the role in its finish', () => {
    expect(streamed(finish('length')).ending).toEqual([
      {
        id: 's1',
        object: 'chat.completion.chunk',
        created: 1_763_640_000,
        model: 'fastgpt',
        choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: 'length' }],
        usage: USAGE,
      },
    ]);
  });

  it('has one finish for each choice, and the usage once, on the last', () => {
    const { ending } = streamed(text('a', 1), text('b'), finish('stop', 1), finish('length'));
    expect(ending.map(({ choices, usage }) => [choices[0]?.index, choices[0]?.finish_reason, usage])).toEqual([
      [0, 'length', undefined],
      [1, 'stop', USAGE],
    ]);
  });

  it('leaves out tools and images, whose finish is then an ordinary one', () => {
    const { now, ending } = streamed(
      { type: 'toolStart', choice: 0, call: 0, id: null, name: 'f' },
      { type: 'toolEnd', choice: 0, call: 0 },
      { type: 'image', choice: 0, mime: 'image/png', data: 'iVBORw0K' },
      finish('tool_calls'),
    );
    expect(now).toEqual([]);
    expect(ending[0]?.choices[0]?.finish_reason).toBe('stop');
  });

  it('says nothing of a failure, which is an error of the dialect', () => {
    expect(streamed({ type: 'failed', error: '{}' }).now).toEqual([]);
    expect(GATEWAY_FACE).toMatchObject({ dialect: 'gateway', keepAlive: ': ping\n\n' });
    expect(GATEWAY_FACE.errorEvent('{"code":502}')).toBe('data: {"code":502}\n\n');
  });
});

describe('The gateway’s whole answer', () => {
  it('has the texts of its parts as one content, and the thinking beside it only where there is some', () => {
    const events = [text('a'), { type: 'thinking', choice: 0, text: 'hm' } as const, text('b'), finish('stop')];
    expect(whole(...events).choices).toEqual([
      { message: { role: 'assistant', content: 'ab', reasoning_content: 'hm' }, finish_reason: 'stop', index: 0 },
    ]);
    expect(whole().choices).toEqual([{ message: { role: 'assistant', content: '' }, finish_reason: 'stop', index: 0 }]);
  });

  it.each<[FinishReason, string]>([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content_filter'],
    ['refusal', 'content_filter'],
    ['tool_calls', 'stop'],
    ['pause', 'stop'],
    ['error', 'error'],
  ])('that ended as %s says %s, as its stream does', (reason, word) => {
    expect(whole(text('a'), finish(reason)).choices[0]?.finish_reason).toBe(word);
    expect(streamed(text('a'), finish(reason)).ending[0]?.choices[0]?.finish_reason).toBe(word);
  });

  it('with a refusal says it and stops', () => {
    const events = [{ type: 'refusal', choice: 0, text: 'No.' } as const, finish('refusal')];
    expect(whole(...events).choices[0]).toMatchObject({ message: { content: 'No.' }, finish_reason: 'stop' });
    expect(streamed(...events).ending[0]?.choices[0]?.finish_reason).toBe('stop');
  });
});
