import { describe, expect, it } from 'vitest';
import { simpleError, SimpleMode } from '../../../../services/relay/realtime/simpleMode.ts';

const IDS = { message_id: 'i', response_id: 'r' };
const PLACE = { response_id: 'r', item_id: 'i' };

function read(mode: SimpleMode, ...events: readonly Readonly<Record<string, unknown>>[]) {
  return events.flatMap((event) => mode.read(event));
}

function typesOf(events: readonly Readonly<Record<string, unknown>>[]): unknown[] {
  return events.map(({ type }) => type);
}

const ADDED = { type: 'response.output_item.added', response_id: 'r', item: { type: 'message', id: 'i' } };
const STARTED = { type: 'response.content_part.added', ...PLACE };

describe('The simple form', () => {
  it.each([
    'response.output_text.delta',
    'response.text.delta',
    'response.output_audio_transcript.delta',
    'response.audio_transcript.delta',
  ])('reads %s as content', (type) => {
    const mode = new SimpleMode();
    read(mode, ADDED, STARTED);
    expect(SimpleMode.reads(type)).toBe(true);
    expect(read(mode, { type, ...PLACE, delta: '你' })).toEqual([{ type: 'content.delta', message: '你', ...IDS }]);
  });

  it.each([
    'response.output_audio.delta',
    'conversation.item.added',
    'session.updated',
    'response.output_text.done',
    null,
  ])('drops %s', (type) => {
    expect(SimpleMode.reads(type)).toBe(false);
  });

  it('opens the conversation once, from either event', () => {
    const session = { type: 'session.created', session: { id: 's' } };
    const conversation = { type: 'conversation.created', conversation: { id: 'c' } };
    expect(read(new SimpleMode(), session, conversation)).toEqual([{ type: 'conversation.created', message: 's' }]);
    expect(read(new SimpleMode(), conversation, session)).toEqual([{ type: 'conversation.created', message: 'c' }]);
    expect(read(new SimpleMode(), { type: 'session.created' })).toEqual([
      { type: 'conversation.created', message: '' },
    ]);
  });

  it('has one message per response, and none for a tool call', () => {
    const mode = new SimpleMode();
    const tool = { type: 'response.output_item.added', response_id: 'r', item: { type: 'function_call', id: 'f' } };
    expect(read(mode, tool, ADDED, ADDED)).toEqual([{ type: 'message.created', message: 'i', ...IDS }]);
  });

  it('adds the openings that an upstream leaves out', () => {
    const mode = new SimpleMode();
    const delta = { type: 'response.text.delta', ...PLACE, delta: 'x' };
    expect(typesOf(read(mode, delta))).toEqual(['message.created', 'content.start', 'content.delta']);
  });

  it('closes the part that an upstream leaves open', () => {
    const mode = new SimpleMode();
    read(mode, { type: 'response.text.delta', ...PLACE, delta: 'x' });
    expect(typesOf(mode.completed({ id: 'r', status: 'completed' }, {}))).toEqual([
      'content.stop',
      'message.completed',
    ]);
  });

  it('names the message after its response when there was no other', () => {
    const [created, completed] = new SimpleMode().completed({ id: 'r', status: 'completed' }, { outputText: 1 });
    expect(created).toEqual({ type: 'message.created', message: 'r', message_id: 'r', response_id: 'r' });
    expect(completed).toMatchObject({ type: 'message.completed', message: '', message_id: 'r' });
  });

  it('says the whole text at the end of a part: the upstream’s, or else what came', () => {
    const mode = new SimpleMode();
    read(mode, ADDED, STARTED, { type: 'response.text.delta', ...PLACE, delta: 'ab' });
    const stop = { type: 'response.content_part.done', ...PLACE };
    expect(read(mode, { ...stop, part: { transcript: 'abc' } })).toEqual([
      { type: 'content.stop', message: 'abc', ...IDS },
    ]);
    read(mode, STARTED, { type: 'response.text.delta', ...PLACE, delta: 'd' });
    expect(read(mode, stop)).toEqual([{ type: 'content.stop', message: 'd', ...IDS }]);
    expect(mode.completed({ id: 'r', status: 'completed' }, {})).toMatchObject([{ message: 'abd' }]);
  });

  it.each([
    [{ status: 'completed' }, 'stop'],
    [{ status: 'incomplete', status_details: { reason: 'max_output_tokens' } }, 'length'],
    [{ status: 'incomplete', status_details: { reason: 'content_filter' } }, 'content_filter'],
    [{ status: 'cancelled', status_details: { reason: 'turn_detected' } }, 'cancelled'],
    [{ status: 'cancelled' }, 'cancelled'],
    [{ status: 'completed', output: [{ type: 'function_call' }] }, 'tool_calls'],
    [{}, 'stop'],
  ])('ends %j with its reason', (response, reason) => {
    const events = new SimpleMode().completed(
      { id: 'r', ...response },
      { audioInput: 3, cacheRead: 2, audioOutput: 4 },
    );
    expect(events.at(-1)).toMatchObject({
      type: 'message.completed',
      finish_reason: reason,
      usage: { input_tokens: 5, output_tokens: 4, total_tokens: 9 },
    });
  });

  it('ends a response that failed with its error', () => {
    const error = { type: 'server_error', code: 'x', message: 'broken' };
    const [event] = new SimpleMode().completed({ id: 'r', status: 'failed', status_details: { error } }, {});
    expect(event).toEqual({
      type: 'error',
      message: 'broken',
      error: { message: 'broken', type: 'server_error', param: null, code: 'x' },
    });
    expect(new SimpleMode().completed({ id: 'r', status: 'failed' }, {})).toMatchObject([
      { type: 'error', message: 'The response failed.' },
    ]);
  });

  it('tells an error that is none as one without words', () => {
    const error = { message: '', type: 'server_error', param: null, code: null };
    expect(simpleError('x')).toEqual({ type: 'error', message: '', error });
  });
});
