import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../services/http/errors.ts';
import { responsesPrompt } from '../../../../services/relay/dialects/responses/prompt.ts';
import { continued, NO_TURNS, type Turns } from '../../../../services/relay/dialects/responses/turns.ts';
import { promptBody } from './fixtures.ts';

const turnsOf = (...items: unknown[]): Turns => {
  const { system, messages } = continued(NO_TURNS, items);
  return { system, messages };
};

function refusal(...items: unknown[]): { code: string; param: string | null } {
  try {
    continued(NO_TURNS, items);
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('it was accepted');
}

const user = (...content: unknown[]) => ({ role: 'user', content });
const call = (id: string, json = '{"city":"Köln"}') => ({
  ...{ type: 'function_call', id: `fc_${id}`, call_id: id, name: 'weather', arguments: json, status: 'completed' },
});

describe('the items of an input', () => {
  it('are messages with or without their type, and system messages wherever they stand', () => {
    const turns = turnsOf(
      { role: 'developer', content: 'Be kind.' },
      { type: 'message', role: 'user', content: 'hi' },
      { type: 'message', role: 'system', content: [{ type: 'input_text', text: 'Be short.' }] },
      {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'ho', annotations: [] }],
      },
      { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
    );
    expect(turns).toEqual({
      system: [
        { type: 'text', text: 'Be kind.' },
        { type: 'text', text: 'Be short.' },
      ],
      messages: [
        { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
        {
          role: 'assistant',
          parts: [
            { type: 'text', text: 'ho' },
            { type: 'refusal', text: 'No.' },
          ],
        },
      ],
    });
  });

  it('carry instructions before system messages', () => {
    const body = promptBody({ instructions: 'First.', input: [{ role: 'system', content: 'Second.' }] });
    expect(responsesPrompt(body).system.map(({ text }) => text)).toEqual(['First.', 'Second.']);
  });

  it('carry images and files, inline, by URL and by the id of a file', () => {
    const [message] = turnsOf(
      user(
        { type: 'input_text', text: 'look' },
        { type: 'input_image', image_url: 'data:image/PNG;base64,aGk=', detail: 'low' },
        { type: 'input_image', image_url: 'https://example.test/a.png', detail: 'original' },
        { type: 'input_image', file_id: 'file-1', detail: 'auto' },
        { type: 'input_file', file_data: 'data:application/pdf;base64,aGk=', filename: 'a.pdf' },
        { type: 'input_file', file_url: 'https://example.test/a.pdf' },
      ),
    ).messages;
    expect(message?.parts).toEqual([
      { type: 'text', text: 'look' },
      { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'aGk=' }, detail: 'low' },
      { type: 'image', source: { kind: 'url', url: 'https://example.test/a.png', mime: null }, detail: null },
      { type: 'image', source: { kind: 'providerFile', id: 'file-1' }, detail: 'auto' },
      { type: 'file', source: { kind: 'inline', mime: 'application/pdf', data: 'aGk=' }, name: 'a.pdf' },
      { type: 'file', source: { kind: 'url', url: 'https://example.test/a.pdf', mime: null }, name: null },
    ]);
  });

  it('put the calls of one turn into one message, and name the function in each result', () => {
    const image = { type: 'input_image', image_url: 'data:image/png;base64,aGk=' };
    const { messages } = turnsOf(
      { role: 'user', content: 'weather?' },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'secret' },
      { role: 'assistant', content: 'One moment.' },
      call('a'),
      call('b', ' '),
      { type: 'function_call_output', call_id: 'a', output: 'rain' },
      { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'sun' }, image] },
    );
    expect(messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'weather?' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'text', text: 'One moment.' },
          { type: 'toolCall', id: 'a', name: 'weather', arguments: '{"city":"Köln"}' },
          { type: 'toolCall', id: 'b', name: 'weather', arguments: '{}' },
        ],
      },
      {
        role: 'tool',
        parts: [
          { type: 'toolResult', callId: 'a', name: 'weather', parts: [{ type: 'text', text: 'rain' }], isError: false },
        ],
      },
      {
        role: 'tool',
        parts: [
          {
            ...{ type: 'toolResult', callId: 'b', name: 'weather', isError: false },
            parts: [
              { type: 'text', text: 'sun' },
              { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'aGk=' }, detail: null },
            ],
          },
        ],
      },
    ]);
  });

  it('carry a picture that an answer made', () => {
    const made = { type: 'image_generation_call', id: 'ig_1', status: 'completed', result: 'aGk=' };
    expect(turnsOf(made, { ...made, output_format: 'webp' }).messages).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'aGk=' }, detail: null },
          { type: 'image', source: { kind: 'inline', mime: 'image/webp', data: 'aGk=' }, detail: null },
        ],
      },
    ]);
  });

  it('go on with earlier turns, whose calls they may answer, and leave those as they were', () => {
    const earlier = turnsOf({ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'hi' }, call('a'));
    const before = structuredClone(earlier);
    const turns = continued(earlier, [call('b'), { type: 'function_call_output', call_id: 'a', output: 'rain' }]);
    expect(turns.system).toEqual([{ type: 'text', text: 'Be kind.' }]);
    expect(turns.messages.map(({ role, parts }) => [role, parts.length])).toEqual([
      ['user', 1],
      ['assistant', 2],
      ['tool', 1],
    ]);
    expect(earlier).toEqual(before);
  });

  it('are refused where they are not valid, with their place', () => {
    const first = { role: 'user', content: 'hi' };
    expect(refusal(first, { role: 'tool', content: 'x' })).toEqual({ code: 'invalid_request', param: 'input.1.role' });
    expect(refusal({ role: 'user' })).toMatchObject({ param: 'input.0.content' });
    expect(refusal(user({ type: 'input_text' }))).toMatchObject({ param: 'input.0.content.0.text' });
    expect(refusal(user({ type: 'input_image' }))).toMatchObject({ param: 'input.0.content.0.image_url' });
    for (const url of ['ftp://example.test/a', 'data:image/png,hi', 'data:;base64,aGk=', 'aGk=']) {
      expect(refusal(user({ type: 'input_image', image_url: url }))).toEqual({
        ...{ code: 'invalid_request', param: 'input.0.content.0.image_url' },
      });
    }
    expect(refusal(user({ type: 'input_file', file_data: 'aGk=' }))).toMatchObject({
      param: 'input.0.content.0.file_data',
    });
    expect(refusal({ ...call('a'), call_id: null })).toMatchObject({ param: 'input.0.call_id' });
    expect(refusal({ type: 'image_generation_call', result: null })).toMatchObject({ param: 'input.0.result' });
  });

  it('are refused when arguments are no JSON object, or a result answers no call', () => {
    expect(refusal(call('a', '{"city":'))).toEqual({ code: 'invalid_request', param: 'input.0.arguments' });
    expect(refusal(call('a', '[1]'))).toEqual({ code: 'invalid_request', param: 'input.0.arguments' });
    expect(refusal(call('a'), { type: 'function_call_output', call_id: 'b', output: 'rain' })).toEqual({
      ...{ code: 'invalid_request', param: 'input.1.call_id' },
    });
  });

  it('are refused when only OpenAI can read them', () => {
    const reference = { code: 'unsupported_parameter', param: 'input.0' };
    expect(refusal({ type: 'item_reference', id: 'msg_1' })).toEqual(reference);
    expect(refusal({ id: 'msg_1' })).toEqual(reference);
    expect(refusal({ type: null, id: 'msg_1' })).toEqual(reference);
    for (const type of ['web_search_call', 'computer_call_output', 'mcp_call', 'custom_tool_call', 'compaction']) {
      expect(refusal({ type, id: 'x' })).toEqual({ code: 'unsupported_parameter', param: 'input.0.type' });
    }
    const audio = { type: 'input_audio', input_audio: { data: 'aGk=', format: 'wav' } };
    expect(refusal(user(audio))).toEqual({ code: 'unsupported_parameter', param: 'input.0.content.0.type' });
    const picture = { type: 'input_image', image_url: 'https://example.test/a.png' };
    expect(refusal({ role: 'system', content: [picture] })).toMatchObject({ code: 'unsupported_parameter' });
    expect(refusal({ role: 'assistant', content: [picture] })).toMatchObject({ code: 'unsupported_parameter' });
  });
});
