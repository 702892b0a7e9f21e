import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../services/http/errors.ts';
import { parseResponsesBody } from '../../../../services/relay/dialects/responses/request.ts';
import { bytes, MAX_DEPTH, responsesBody } from './fixtures.ts';

function refusal(body: unknown): { code: string; param: string | null; message: string } {
  const raw = typeof body === 'string' ? Buffer.from(body) : bytes(body);
  try {
    parseResponsesBody(raw, MAX_DEPTH);
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param, message: error.message };
    throw error;
  }
  throw new Error('it was accepted');
}

const plain = { model: 'our-model', input: 'hi' };

describe('a responses body', () => {
  it('is accepted with a text or a list of items, and with members that nobody knows', () => {
    expect(responsesBody({ input: 'hi', brand_new: { a: 1 } }).input).toBe('hi');
    expect(responsesBody({ input: [{ role: 'user', content: 'hi' }] }).input).toEqual([
      { role: 'user', content: 'hi' },
    ]);
  });

  it('may state null for whatever may be missing', () => {
    const members = [
      'instructions',
      'tools',
      'tool_choice',
      'text',
      'reasoning',
      'max_output_tokens',
      'store',
      'stream',
    ];
    const more = [
      'previous_response_id',
      'metadata',
      'truncation',
      'temperature',
      'top_p',
      'parallel_tool_calls',
      'user',
    ];
    const nulls = Object.fromEntries([...members, ...more].map((member) => [member, null]));
    expect(responsesBody(nulls)).toEqual({ ...plain, ...nulls });
  });

  it('is refused with the place of its first problem', () => {
    expect(refusal({ input: 'hi' })).toMatchObject({ code: 'invalid_request', param: 'model' });
    expect(refusal({ model: 'our-model' })).toMatchObject({ code: 'invalid_request', param: 'input' });
    expect(refusal({ ...plain, input: [] })).toMatchObject({ code: 'invalid_request', param: 'input' });
    expect(refusal({ ...plain, temperature: 3 })).toMatchObject({ param: 'temperature' });
    expect(refusal({ ...plain, max_output_tokens: 0 })).toMatchObject({ param: 'max_output_tokens' });
    expect(refusal({ ...plain, max_output_tokens: 1.5 })).toMatchObject({ param: 'max_output_tokens' });
    expect(refusal({ ...plain, reasoning: { effort: 'endless' } })).toMatchObject({ param: 'reasoning.effort' });
    expect(refusal({ ...plain, truncation: 'middle' })).toMatchObject({ param: 'truncation' });
    expect(refusal({ ...plain, stream: 'yes' })).toMatchObject({ param: 'stream' });
    expect(refusal({ ...plain, previous_response_id: '' })).toMatchObject({ param: 'previous_response_id' });
  });

  it('is refused when it is no JSON, or states a member of ours twice or in other letters', () => {
    expect(refusal('{"model":')).toMatchObject({ code: 'invalid_json' });
    expect(refusal('{"model":"a","model":"b","input":"hi"}')).toMatchObject({ param: 'model' });
    expect(refusal({ ...plain, Max_Output_Tokens: 5 })).toMatchObject({ param: 'max_output_tokens' });
  });

  it('is bounded in its items, tools and metadata', () => {
    const items = Array.from({ length: 10_001 }, () => ({ role: 'user' }));
    expect(refusal({ ...plain, input: items })).toMatchObject({ param: 'input' });
    const tools = Array.from({ length: 1_025 }, () => ({ type: 'function' }));
    expect(refusal({ ...plain, tools })).toMatchObject({ param: 'tools' });
    const metadata = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${String(index)}`, 'v']));
    expect(refusal({ ...plain, metadata })).toMatchObject({ param: 'metadata', message: 'metadata: at most 16 pairs' });
    expect(refusal({ ...plain, metadata: { long: 'x'.repeat(513) } })).toMatchObject({ param: 'metadata.long' });
    expect(refusal({ ...plain, metadata: { count: 1 } })).toMatchObject({ param: 'metadata.count' });
  });

  it('is refused when a client schema is nested too deeply or names a prototype', () => {
    const nested = `${'{"a":'.repeat(70)}1${'}'.repeat(70)}`;
    expect(refusal(`{"model":"a","input":"hi","text":${nested}}`)).toMatchObject({ code: 'invalid_request' });
    const tool = '{"type":"function","name":"f","parameters":{"__proto__":{}}}';
    expect(refusal(`{"model":"a","input":"hi","tools":[${tool}]}`)).toMatchObject({ code: 'invalid_request' });
  });
});
