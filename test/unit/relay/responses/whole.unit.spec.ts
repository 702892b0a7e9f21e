import { describe, expect, it } from 'vitest';
import type { AnswerEvent, FinishReason } from '../../../../services/relay/canonical/answer.ts';
import { RESPONSES_FACE } from '../../../../services/relay/dialects/responses/face.ts';
import type { WholeResponse } from '../../../../services/relay/dialects/responses/writer.ts';
import { eventsIn, finish, ID, streamOf, text, toolArguments, toolStart, wholeOf, writeWhole } from './fixtures.ts';

const parsed = (json: string) => JSON.parse(json) as Record<string, unknown>;
const refusal: AnswerEvent = { type: 'refusal', choice: 0, text: 'No.' };

describe('a whole response', () => {
  it('says what was asked and answered, with the client’s name for the model', () => {
    expect(parsed(wholeOf([{ type: 'start', id: 'up', model: 'provider-model' }, text('Hi'), finish('stop')]))).toEqual(
      {
        id: `resp_${ID}`,
        object: 'response',
        created_at: 1_790_000_000,
        model: 'our-model',
        background: false,
        instructions: null,
        max_output_tokens: null,
        max_tool_calls: null,
        metadata: {},
        parallel_tool_calls: true,
        previous_response_id: null,
        prompt_cache_key: null,
        reasoning: { effort: null, summary: null },
        safety_identifier: null,
        service_tier: 'default',
        store: false,
        temperature: null,
        text: { format: { type: 'text' } },
        tool_choice: 'auto',
        tools: [],
        top_logprobs: 0,
        top_p: null,
        truncation: 'disabled',
        access_programs: null,
        status: 'completed',
        error: null,
        incomplete_details: null,
        output: [
          {
            id: `msg_${ID}_0`,
            type: 'message',
            status: 'completed',
            role: 'assistant',
            content: [{ type: 'output_text', text: 'Hi', annotations: [], logprobs: [] }],
          },
        ],
        usage: {
          input_tokens: 114,
          input_tokens_details: { cached_tokens: 100, cache_write_tokens: 9 },
          output_tokens: 15,
          output_tokens_details: { reasoning_tokens: 4 },
          total_tokens: 129,
          cost: 0.00000855,
          cost_currency: 'USD',
        },
      },
    );
  });

  it('echoes what the client stated', () => {
    const tool = { type: 'function', name: 'now', description: 'The time' };
    const stated = {
      instructions: 'Be kind.',
      max_output_tokens: 70,
      metadata: { order: '7' },
      parallel_tool_calls: false,
      temperature: 0,
      top_p: 0.9,
      tool_choice: 'required',
      text: { format: { type: 'json_object' }, verbosity: 'low' },
      user: 'me',
    };
    const response = parsed(wholeOf([text('{}')], { ...stated, tools: [tool], reasoning: { summary: 'auto' } }));
    expect(response).toMatchObject(stated);
    expect(response['tools']).toEqual([{ ...tool, parameters: null, strict: null }]);
    expect(response['reasoning']).toEqual({ effort: null, summary: 'auto' });
  });

  it('says what was done where that is not what the client stated', () => {
    const wanted = { store: true, truncation: 'auto', service_tier: 'flex' };
    const done = { store: false, truncation: 'disabled', service_tier: 'default' };
    expect(parsed(wholeOf([text('Hi')], wanted))).toMatchObject(done);
    expect(parsed(wholeOf([text('Hi')], wanted, { stored: true }))).toMatchObject({ ...done, store: true });
  });

  it('has the cost as an exact decimal literal', () => {
    expect(wholeOf([text('Hi')])).toMatch(/,"total_tokens":129,"cost":0\.00000855,"cost_currency":"USD"\}\}$/);
  });

  const ends: [FinishReason, AnswerEvent[], string, string | null, string][] = [
    ['stop', [text('Hi')], 'completed', null, 'completed'],
    ['tool_calls', [text('Hi')], 'completed', null, 'completed'],
    ['pause', [text('Hi')], 'completed', null, 'completed'],
    ['length', [text('Hi')], 'incomplete', 'max_output_tokens', 'incomplete'],
    ['content_filter', [text('Hi')], 'incomplete', 'content_filter', 'incomplete'],
    ['refusal', [text('Hi')], 'incomplete', 'content_filter', 'incomplete'],
    ['refusal', [refusal], 'completed', null, 'completed'],
    ['error', [text('Hi')], 'failed', null, 'incomplete'],
  ];
  it.each(ends)(
    'that ended with %s (%#) says so in its status and in that of its last item',
    (reason, said, ...told) => {
      const [status, why, itemStatus] = told;
      const response = parsed(wholeOf([...said, finish(reason)]));
      expect(response).toMatchObject({
        status,
        incomplete_details: why === null ? null : { reason: why },
        output: [{ status: itemStatus }],
      });
      expect(response['error'] !== null).toBe(status === 'failed');
      const last = eventsIn(streamOf([...said, finish(reason)]).text).at(-1);
      expect(last).toMatchObject({
        type: `response.${status}`,
        response: { status, usage: { input_tokens: 114 } },
      });
    },
  );

  it('calls only the last item incomplete', () => {
    const cut = [text('Hi'), toolStart(0, 'a', 'now'), toolStart(1, 'b', 'weather'), toolArguments(1, '{"ci')];
    expect(parsed(wholeOf([...cut, finish('length')]))['output']).toMatchObject([
      { type: 'message', status: 'completed' },
      { type: 'function_call', status: 'completed', arguments: '{}' },
      { type: 'function_call', status: 'incomplete', arguments: '{"ci' },
    ]);
  });

  it('is written of an answer without any choice', () => {
    expect(parsed(writeWhole({ id: null, model: null, choices: [] }))).toMatchObject({
      status: 'completed',
      output: [],
    });
  });

  it('is told once to who wants it whole, as the client gets it, streamed or not', () => {
    const told: WholeResponse[] = [];
    const written = { stored: true, onWhole: (response: WholeResponse) => told.push(response) };
    const events = [text('Hi'), finish('stop')];
    const body = wholeOf(events, {}, written);
    const { ending } = streamOf(events, {}, written);
    expect(told).toHaveLength(2);
    expect(told[0]).toMatchObject({ id: `resp_${ID}`, createdAt: 1_790_000_000, body });
    expect(told[1]).toEqual(told[0]);
    expect(ending).toContain(`,"response":${body}}\n\n`);
    expect(told[0]?.output).toEqual(parsed(body)['output']);
  });
});

describe('an error in a stream of responses', () => {
  it('is a named event that has the error both ways in which clients look for it', () => {
    const error = { message: 'The provider failed.', type: 'server_error', param: null, code: 'bad_gateway' };
    const event = RESPONSES_FACE.errorEvent(JSON.stringify({ error }));
    expect(eventsIn(event)).toEqual([
      { type: 'error', code: 'bad_gateway', message: 'The provider failed.', param: null, error },
    ]);
    expect(event.startsWith('event: error\ndata: {')).toBe(true);
  });

  it('says that the call failed when there is no more to say', () => {
    expect(eventsIn(RESPONSES_FACE.errorEvent('{}'))).toMatchObject([{ message: 'The call failed.', code: null }]);
  });
});
