import OpenAI, { APIError } from 'openai';
import type { ResponseOutputItem, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import { RESPONSES_FACE } from '../../../../services/relay/dialects/responses/face.ts';
import { deleted } from '../../../../services/relay/dialects/responses/storedResponses.ts';
import type { WholeResponse } from '../../../../services/relay/dialects/responses/writer.ts';
import {
  bytes,
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
} from './fixtures.ts';

const ANSWER: AnswerEvent[] = [
  ...[START, thinking('Well'), thinking('…'), text('Höre '), text('zu.')],
  { type: 'refusal', choice: 0, text: 'No.' },
  ...[toolStart(0, null, 'weather'), toolArguments(0, '{"city"'), toolArguments(0, ':"Köln"}'), toolEnd(0)],
  ...[toolStart(1, 'b', 'now'), toolEnd(1)],
  { type: 'image', choice: 0, mime: 'image/png', data: 'aGk=' },
  ...[text('Done.'), finish('tool_calls')],
];
const SUMMARY = { reasoning: { summary: 'auto' } };

/** OpenAI's own client, which gets this text for whatever it asks. */
function clientOf(said: string | Buffer, contentType: string): OpenAI {
  const answered = () => Promise.resolve(new Response(said, { headers: { 'content-type': contentType } }));
  return new OpenAI({ apiKey: 'sk-test', baseURL: 'http://relay.test/v1', maxRetries: 0, fetch: answered });
}

const streamClient = (said: string) => clientOf(said, 'text/event-stream; charset=utf-8');
const jsonClient = (said: string | Buffer) => clientOf(said, 'application/json; charset=utf-8');
const PARAMS = { model: 'our-model', input: 'hi' };

describe('OpenAI’s own client', () => {
  it('accumulates a stream, step by step, into the response that ends it', async () => {
    const { text: said } = streamOf(ANSWER, SUMMARY);
    const stream = streamClient(said).responses.stream(PARAMS);
    const heard: Record<string, string> = {};
    const hear = (type: string, delta: string) => void (heard[type] = (heard[type] ?? '') + delta);
    stream.on('response.output_text.delta', ({ delta }) => hear('text', delta));
    stream.on('response.refusal.delta', ({ delta }) => hear('refusal', delta));
    stream.on('response.reasoning_summary_text.delta', ({ delta }) => hear('summary', delta));
    stream.on('response.function_call_arguments.delta', ({ delta }) => hear('arguments', delta));
    const final = await stream.finalResponse();
    expect(heard).toEqual({
      ...{ text: 'Höre zu.Done.', refusal: 'No.', summary: 'Well…', arguments: '{"city":"Köln"}{}' },
    });
    expect(final).toMatchObject({ id: `resp_${ID}`, status: 'completed', output_text: 'Höre zu.Done.' });
    expect(final.output.map(({ type }) => type)).toEqual([
      ...['reasoning', 'message', 'function_call', 'function_call', 'image_generation_call', 'message'],
    ]);
    expect(final.usage?.total_tokens).toBe(129);
  });

  it('reads each event of a stream as it was written, in the order of the numbers', async () => {
    const { text: said } = streamOf(ANSWER, SUMMARY);
    const read: ResponseStreamEvent[] = [];
    for await (const event of await streamClient(said).responses.create({ ...PARAMS, stream: true })) read.push(event);
    expect(read).toEqual(eventsIn(said));
    expect(read.map(({ sequence_number: number }) => number)).toEqual(read.map((_, index) => index));
  });

  it.each(['length', 'content_filter', 'error'] as const)('accepts a stream that ended with %s', async (reason) => {
    const cut = [text('Hi'), toolStart(0, 'a', 'weather'), toolArguments(0, '{"ci'), finish(reason)];
    const final = await streamClient(streamOf(cut).text).responses.stream(PARAMS).finalResponse();
    expect(final.status).toBe(reason === 'error' ? 'failed' : 'incomplete');
    expect(final.output).toMatchObject([{ type: 'message' }, { status: 'incomplete', arguments: '{"ci' }]);
  });

  it('throws the error that a stream breaks off with', async () => {
    const begun = streamOf([text('Hi')]).pieces.join('');
    const error = { message: 'The provider failed.', type: 'server_error', param: null, code: 'bad_gateway' };
    const client = streamClient(begun + RESPONSES_FACE.errorEvent(JSON.stringify({ error })));
    const thrown: unknown = await client.responses
      .stream(PARAMS)
      .finalResponse()
      .catch((reason: unknown) => reason);
    expect(thrown).toBeInstanceOf(APIError);
    expect(thrown).toMatchObject({ message: 'The provider failed.', code: 'bad_gateway' });
  });

  it('is not disturbed by what keeps a stream open', async () => {
    const { pieces, ending } = streamOf([text('Hi'), finish('stop')]);
    const ping = RESPONSES_FACE.keepAlive ?? '';
    const client = streamClient(`${ping}${pieces.join(ping)}${ping}${ending}`);
    expect((await client.responses.stream(PARAMS).finalResponse()).output_text).toBe('Hi');
  });

  it('reads a whole response, and one by its id', async () => {
    let output: ResponseOutputItem[] = [];
    const onWhole = (whole: WholeResponse) => void (output = [...whole.output]);
    const body = wholeOf(ANSWER, SUMMARY, { onWhole });
    const response = await jsonClient(body).responses.create(PARAMS);
    expect(response.output_text).toBe('Höre zu.Done.');
    expect(response.output).toEqual(output);
    expect((await jsonClient(body).responses.retrieve(`resp_${ID}`)).id).toBe(`resp_${ID}`);
  });

  it('deletes a response, and counts the tokens of an input', async () => {
    const id = `resp_${ID}`;
    const deletion = jsonClient(bytes(deleted(true, id))).responses.delete(id);
    await expect(deletion).resolves.toEqual(deleted(true, id));
    const counted = jsonClient(bytes({ object: 'response.input_tokens', input_tokens: 7 }));
    expect((await counted.responses.inputTokens.count(PARAMS)).input_tokens).toBe(7);
  });
});
