import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../services/http/errors.ts';
import {
  cancellation,
  deleted,
  ownResponses,
  retrieved,
  toStore,
  turnsBefore,
  type ResponseStore,
  type StoredResponse,
} from '../../../../services/relay/dialects/responses/storedResponses.ts';
import { continued, NO_TURNS } from '../../../../services/relay/dialects/responses/turns.ts';
import type { WholeResponse } from '../../../../services/relay/dialects/responses/writer.ts';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import { finish, text, thinking, toolArguments, toolStart, wholeOf } from './fixtures.ts';

function wholeResponse(...events: AnswerEvent[]): WholeResponse {
  const told: WholeResponse[] = [];
  wholeOf(events, {}, { stored: true, onWhole: (response) => told.push(response) });
  const [response] = told;
  if (!response) throw new Error('nothing was told');
  return response;
}

const asked = continued(NO_TURNS, [
  { role: 'system', content: 'Be kind.' },
  { role: 'user', content: 'hi' },
]);
const stored: StoredResponse = toStore(asked, wholeResponse(text('Hello'), finish('stop')));

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ApiError) return error.code;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a response to store', () => {
  it('has the body that the client got, and the conversation with the answer', () => {
    const response = wholeResponse(text('Hello'), finish('stop'));
    expect(stored).toEqual({
      id: response.id,
      body: response.body,
      createdAt: 1_790_000_000,
      system: [{ type: 'text', text: 'Be kind.' }],
      messages: [
        { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
        { role: 'assistant', parts: [{ type: 'text', text: 'Hello' }] },
      ],
    });
  });

  it('survives JSON, as its store may need', () => {
    expect(JSON.parse(JSON.stringify(stored))).toEqual(stored);
  });

  it('keeps the same turns as a client that sends the items back', () => {
    const response = wholeResponse(
      ...[thinking('well'), text('Look.'), toolStart(0, null, 'weather'), toolArguments(0, '{"city":"Köln"}')],
      ...[toolStart(1, 'b', 'now'), { type: 'image', choice: 0, mime: 'image/webp', data: 'aGk=' } as const],
      ...[{ type: 'refusal', choice: 0, text: 'No.' } as const, finish('tool_calls')],
    );
    const { system, messages } = toStore(asked, response);
    const { output } = JSON.parse(response.body) as { output: unknown[] };
    const sent = continued(asked, output);
    expect({ system, messages }).toEqual({ system: sent.system, messages: sent.messages });
  });

  it('leaves out a call that was cut short, and keeps one whose arguments a model got wrong', () => {
    const broken = [toolStart(0, 'a', 'weather'), toolArguments(0, '{"ci')];
    const cut = [toolStart(1, 'b', 'weather'), toolArguments(1, '{"ci')];
    expect(toStore(NO_TURNS, wholeResponse(...broken, ...cut, finish('length'))).messages).toEqual([
      { role: 'assistant', parts: [{ type: 'toolCall', id: 'a', name: 'weather', arguments: '{}' }] },
    ]);
  });

  it('has no turn for an answer without anything', () => {
    expect(toStore(asked, wholeResponse(finish('content_filter'))).messages).toHaveLength(1);
  });
});

describe('a stored response', () => {
  it('is retrieved as it was, but not as a stream', () => {
    expect(retrieved(stored, false)).toBe(stored.body);
    expect(codeOf(() => retrieved(stored, true))).toBe('unsupported_parameter');
    expect(codeOf(() => retrieved(null, false))).toBe('not_found');
  });

  it('is deleted once', () => {
    expect(deleted(true, 'resp_1')).toEqual({ id: 'resp_1', object: 'response', deleted: true });
    expect(codeOf(() => deleted(false, 'resp_1'))).toBe('not_found');
  });

  it('cannot be cancelled, for it has ended', () => {
    expect(cancellation(stored)).toMatchObject({ code: 'invalid_request', status: 400 });
    expect(cancellation(null)).toMatchObject({ code: 'not_found', status: 404 });
  });

  it('gives the turns before a request that names it', () => {
    expect(turnsBefore(stored, stored.id)).toBe(stored);
    expect(codeOf(() => turnsBefore(null, 'resp_1'))).toBe('invalid_request');
  });
});

describe('the stored responses of an account', () => {
  const store = (save: ResponseStore['save']): ResponseStore => ({
    ...{ save, find: (accountId, id) => Promise.resolve(accountId === 'acc' && id === stored.id ? stored : null) },
    remove: () => Promise.resolve(false),
  });

  it('are found and kept under its name', async () => {
    const saved: unknown[] = [];
    const own = ownResponses(
      store((accountId, response) => {
        saved.push([accountId, response.id]);
        return Promise.resolve();
      }),
      'acc',
      () => undefined,
    );
    own.keep(stored);
    expect(saved).toEqual([['acc', stored.id]]);
    expect(await own.find(stored.id)).toBe(stored);
    expect(await own.find('resp_other')).toBeNull();
  });

  it('tell of a save that failed, at once or later, and throw nothing', async () => {
    const later = Promise.withResolvers<unknown>();
    const failure = new Error('no space');
    ownResponses(
      store(() => Promise.reject(failure)),
      'acc',
      later.resolve,
    ).keep(stored);
    expect(await later.promise).toBe(failure);
    const atOnce = Promise.withResolvers<unknown>();
    const throwing = store(() => {
      throw failure;
    });
    ownResponses(throwing, 'acc', atOnce.resolve).keep(stored);
    expect(await atOnce.promise).toBe(failure);
  });
});
