import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../services/http/errors.ts';
import { responsesPrompt } from '../../../../services/relay/dialects/responses/prompt.ts';
import type { Turns } from '../../../../services/relay/dialects/responses/turns.ts';
import { promptBody } from './fixtures.ts';

function promptOf(body: Readonly<Record<string, unknown>>, earlier?: Turns) {
  return responsesPrompt(promptBody(body), earlier);
}

function refusal(body: Readonly<Record<string, unknown>>): { code: string; param: string | null } {
  try {
    promptOf(body);
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('it was accepted');
}

const tool = { type: 'function', name: 'weather', parameters: { type: 'object', properties: {} }, strict: true };

describe('the prompt of a responses body', () => {
  it('of a text is one user message without anything that was not said', () => {
    expect(promptOf({ input: 'hi' })).toEqual({
      system: [],
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
      tools: [],
      toolChoice: null,
      parallelTools: null,
      sampling: {
        ...{ temperature: null, topP: null, topK: null, presencePenalty: null, frequencyPenalty: null, seed: null },
        stop: [],
      },
      format: null,
      reasoning: null,
      maxOutput: null,
      choices: 1,
      streamed: false,
      session: null,
    });
  });

  it('carries what the client controls', () => {
    const body = { input: 'hi', temperature: 0.5, top_p: 0.9, max_output_tokens: 70, parallel_tool_calls: false };
    expect(promptOf({ ...body, stream: true })).toMatchObject({
      sampling: { temperature: 0.5, topP: 0.9 },
      maxOutput: 70,
      parallelTools: false,
      streamed: true,
    });
  });

  it('shows thinking only to a client that asks for a summary', () => {
    expect(promptOf({ reasoning: { effort: 'xhigh' } }).reasoning).toEqual({
      ...{ effort: 'xhigh', budgetTokens: null, shown: false },
    });
    expect(promptOf({ reasoning: { summary: 'auto' } }).reasoning).toMatchObject({ effort: null, shown: true });
    expect(promptOf({ reasoning: { generate_summary: 'concise' } }).reasoning).toMatchObject({ shown: true });
    expect(promptOf({ reasoning: {} }).reasoning).toBeNull();
  });

  it('carries the format of the answer', () => {
    const schema = { type: 'object' };
    const format = { type: 'json_schema', name: 'answer', schema, strict: true };
    expect(promptOf({ text: { format } }).format).toEqual({ kind: 'schema', name: 'answer', schema, strict: true });
    expect(promptOf({ text: { format: { type: 'json_object' } } }).format).toEqual({ kind: 'json' });
    expect(promptOf({ text: { format: { type: 'text' }, verbosity: 'low' } }).format).toBeNull();
    expect(refusal({ text: { format: { type: 'json_schema', name: 'a' } } })).toEqual({
      ...{ code: 'invalid_request', param: 'text.format.schema' },
    });
    expect(refusal({ text: { format: { type: 'grammar' } } })).toEqual({
      ...{ code: 'unsupported_parameter', param: 'text.format.type' },
    });
  });

  it('carries functions, and which of them to call', () => {
    const plain = { type: 'function', name: 'now', description: 'The time' };
    const { tools, toolChoice } = promptOf({ tools: [tool, plain], tool_choice: { type: 'function', name: 'now' } });
    expect(tools).toEqual([
      { name: 'weather', description: null, parameters: { type: 'object', properties: {} }, strict: true },
      { name: 'now', description: 'The time', parameters: null, strict: null },
    ]);
    expect(toolChoice).toEqual({ kind: 'tool', name: 'now' });
    for (const kind of ['auto', 'none', 'required']) {
      expect(promptOf({ tools: [tool], tool_choice: kind }).toolChoice).toEqual({ kind });
    }
  });

  it('keeps of its functions only the allowed ones', () => {
    const allowed = { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'now' }] };
    const asked = promptOf({ tools: [tool, { type: 'function', name: 'now' }], tool_choice: allowed });
    expect(asked.tools.map(({ name }) => name)).toEqual(['now']);
    expect(asked.toolChoice).toEqual({ kind: 'required' });
  });

  it('is refused when a function is not valid, or one is chosen that does not exist', () => {
    expect(refusal({ tools: [tool, { type: 'function' }] })).toEqual({
      code: 'invalid_request',
      param: 'tools.1.name',
    });
    expect(refusal({ tools: [{ type: 'function', name: 'a b' }] })).toMatchObject({ param: 'tools.0.name' });
    expect(refusal({ tools: [{ type: 'function', name: 'a', parameters: 'x' }] })).toMatchObject({
      param: 'tools.0.parameters',
    });
    expect(refusal({ tools: [tool], tool_choice: 'sometimes' })).toMatchObject({ param: 'tool_choice' });
    const nobody = { type: 'function', name: 'nobody' };
    expect(refusal({ tools: [tool], tool_choice: nobody })).toEqual({
      ...{ code: 'invalid_request', param: 'tool_choice.name' },
    });
    const allowed = { type: 'allowed_tools', mode: 'auto', tools: [nobody] };
    expect(refusal({ tools: [tool], tool_choice: allowed })).toMatchObject({ param: 'tool_choice.tools.0.name' });
  });

  const hosted = ['web_search', 'file_search', 'code_interpreter', 'mcp', 'image_generation', 'computer_use_preview'];
  it.each([...hosted, 'custom', 'local_shell'])('is refused with a tool of type %s, which runs at OpenAI', (type) => {
    expect(refusal({ tools: [tool, { type }] })).toEqual({ code: 'unsupported_parameter', param: 'tools.1.type' });
    expect(refusal({ tools: [tool], tool_choice: { type } })).toEqual({
      ...{ code: 'unsupported_parameter', param: 'tool_choice.type' },
    });
  });

  it('is refused with what only OpenAI keeps or runs, and not when that is empty', () => {
    const wanted: Readonly<Record<string, unknown>> = {
      background: true,
      conversation: 'conv_1',
      prompt: { id: 'pmpt_1' },
      context_management: [{ type: 'compaction' }],
      moderation: { model: 'm' },
      top_logprobs: 2,
      include: ['message.output_text.logprobs'],
    };
    for (const [param, value] of Object.entries(wanted)) {
      expect(refusal({ [param]: value })).toEqual({ code: 'unsupported_parameter', param });
    }
    const empty = { background: false, conversation: null, prompt: null, context_management: [], top_logprobs: 0 };
    expect(promptOf({ ...empty, include: ['reasoning.encrypted_content'] }).messages).toEqual([]);
  });
});
