import { describe, expect, it } from 'vitest';
import { parseClaudeRequest } from '../../../../services/relay/dialects/claude/request.ts';
import { MAX_DEPTH, MODEL } from './fixtures.ts';

const BODY = { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const parse = (change: object | string = {}) =>
  parseClaudeRequest(
    Buffer.from(typeof change === 'string' ? change : JSON.stringify({ ...BODY, ...change })),
    MAX_DEPTH,
  );
const refusal = (change: object | string) => {
  try {
    return parse(change);
  } catch (error) {
    const { code, param } = error as { code: unknown; param: unknown };
    return [code, param];
  }
};

describe('The body of a Messages call', () => {
  it('is read with what it says of model, stream and thinking, and keeps its bytes', () => {
    const raw = Buffer.from(JSON.stringify({ ...BODY, stream: true, something_new: [1] }));
    const request = parseClaudeRequest(raw, MAX_DEPTH);
    expect(request).toMatchObject({ model: MODEL, streamed: true, thinkingShown: false });
    expect(request.raw).toBe(raw);
    expect(request.body['something_new']).toEqual([1]);
    expect(parse({ stream: null }).streamed).toBe(false);
  });

  it.each([
    [{ type: 'enabled', budget_tokens: 1_024 }, true],
    [{ type: 'adaptive' }, true],
    [{ type: 'adaptive', display: 'omitted' }, false],
    [{ type: 'disabled' }, false],
    [null, false],
  ])('with the thinking %j wants to see it: %s', (thinking, shown) => {
    expect(parse({ thinking }).thinkingShown).toBe(shown);
  });

  it('may warm a cache', () => {
    expect(parse({ max_tokens: 0 }).body.max_tokens).toBe(0);
  });

  it.each<[object, string]>([
    [{ model: '' }, 'model'],
    [{ max_tokens: undefined }, 'max_tokens'],
    [{ max_tokens: -1 }, 'max_tokens'],
    [{ max_tokens: 1.5 }, 'max_tokens'],
    [{ messages: [] }, 'messages'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.role'],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages.0.content'],
    [{ messages: [{ role: 'user' }] }, 'messages.0.content'],
    [{ messages: [{ role: 'user', content: ['x'] }] }, 'messages.0.content'],
    [{ system: [{ type: 'image' }] }, 'system'],
    [{ temperature: 1.1 }, 'temperature'],
    [{ top_p: -0.1 }, 'top_p'],
    [{ tools: {} }, 'tools'],
    [{ tool_choice: { type: 'required' } }, 'tool_choice.type'],
    [{ thinking: { type: 'enabled', budget_tokens: 'many' } }, 'thinking.budget_tokens'],
    [{ stream: 'yes' }, 'stream'],
  ])('is refused with the place of its first problem: %j', (change, param) => {
    const [code, place] = refusal(change) as [string, string];
    expect(code).toBe('invalid_request');
    expect(place.startsWith(param)).toBe(true);
  });

  it('is refused when a member that we act on stands twice or in other letters', () => {
    const text = JSON.stringify(BODY).slice(0, -1);
    expect(refusal(`${text},"model":"other"}`)).toEqual(['invalid_request', 'model']);
    expect(refusal(`${text},"Max_Tokens":9}`)).toEqual(['invalid_request', 'max_tokens']);
  });

  it('is refused when it is no JSON', () => {
    expect(refusal('{')).toEqual(['invalid_json', null]);
  });
});
