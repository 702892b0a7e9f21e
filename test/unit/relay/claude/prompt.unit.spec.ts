import { describe, expect, it } from 'vitest';
import { claudePrompt } from '../../../../services/relay/dialects/claude/prompt.ts';
import { parseClaudeRequest } from '../../../../services/relay/dialects/claude/request.ts';
import { MAX_DEPTH, MODEL } from './fixtures.ts';

const prompted = (change: object = {}) => {
  const body = { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: 'hi' }], ...change };
  return claudePrompt(parseClaudeRequest(Buffer.from(JSON.stringify(body)), MAX_DEPTH).body);
};
const refusal = (change: object) => {
  try {
    return prompted(change);
  } catch (error) {
    const { code, param } = error as { code: unknown; param: unknown };
    return [code, param];
  }
};
const says = (content: unknown, role = 'user') => ({ role, content });
const userParts = (...content: unknown[]) => prompted({ messages: [says(content)] }).messages[0]?.parts;
const text = (written: string) => ({ type: 'text', text: written });
const CALL = { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: '北京' } };

describe('A Messages body as other protocols are asked', () => {
  it('says nothing that the client did not say', () => {
    expect(prompted()).toEqual({
      system: [],
      messages: [{ role: 'user', parts: [text('hi')] }],
      tools: [],
      toolChoice: null,
      parallelTools: null,
      sampling: {
        ...{ temperature: null, topP: null, topK: null, stop: [] },
        ...{ presencePenalty: null, frequencyPenalty: null, seed: null },
      },
      format: null,
      reasoning: null,
      maxOutput: 100,
      choices: 1,
      streamed: false,
      session: null,
    });
  });

  it('has the sampling, the stops and the stream of the client', () => {
    const change = { temperature: 0.5, top_p: 0.9, top_k: 40, stop_sequences: ['END'], stream: true };
    expect(prompted(change)).toMatchObject({
      sampling: { temperature: 0.5, topP: 0.9, topK: 40, stop: ['END'] },
      streamed: true,
    });
  });

  it('has instructions from every place, with their cache marks', () => {
    expect(prompted({ system: 'be kind' }).system).toEqual([text('be kind')]);
    const system = [
      text('a'),
      { ...text('b'), cache_control: { type: 'ephemeral' } },
      { ...text('c'), cache_control: { type: 'ephemeral', ttl: '1h' } },
      { ...text('d'), cache_control: null },
    ];
    const messages = [says('hi'), says('e', 'system'), says([text('f')], 'system')];
    const prompt = prompted({ system, messages });
    expect(prompt.system).toEqual([
      text('a'),
      { ...text('b'), cache: '5m' },
      { ...text('c'), cache: '1h' },
      text('d'),
      text('e'),
      text('f'),
    ]);
    expect(prompt.messages).toHaveLength(1);
  });

  it('has the results of tools as messages before what the user says with them', () => {
    const result = {
      type: 'tool_result',
      tool_use_id: 'toolu_1',
      content: [text('sunny'), { type: 'image', source: { type: 'url', url: 'https://x.test/a.png' } }],
      is_error: true,
    };
    const silent = { type: 'tool_result', tool_use_id: 'toolu_2', content: null };
    const messages = [says([text('let me see'), CALL], 'assistant'), says([text('and now?'), result, silent])];
    expect(prompted({ messages }).messages).toEqual([
      {
        role: 'assistant',
        parts: [text('let me see'), { type: 'toolCall', id: 'toolu_1', name: 'weather', arguments: '{"city":"北京"}' }],
      },
      {
        role: 'tool',
        parts: [
          {
            type: 'toolResult',
            callId: 'toolu_1',
            name: 'weather',
            parts: [
              text('sunny'),
              { type: 'image', source: { kind: 'url', url: 'https://x.test/a.png', mime: null }, detail: null },
            ],
            isError: true,
          },
          { type: 'toolResult', callId: 'toolu_2', name: null, parts: [], isError: false },
        ],
      },
      { role: 'user', parts: [text('and now?')] },
    ]);
  });

  it('has thinking with its proof, and hidden thinking', () => {
    const content = [
      { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
      { type: 'thinking', thinking: 'hm', signature: '' },
      { type: 'redacted_thinking', data: 'ZA==' },
    ];
    expect(prompted({ messages: [says(content, 'assistant')] }).messages[0]?.parts).toEqual([
      { type: 'thinking', text: 'hm', signature: 'c2ln' },
      { type: 'thinking', text: 'hm', signature: null },
      { type: 'redactedThinking', data: 'ZA==' },
    ]);
  });

  it('has images and PDF as they are, and text documents as text', () => {
    const inline = { type: 'base64', media_type: 'image/png', data: 'AAAA' };
    expect(userParts({ type: 'image', source: inline })).toEqual([
      { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'AAAA' }, detail: null },
    ]);
    const pdf = { type: 'base64', media_type: 'application/pdf', data: 'JVBE' };
    expect(userParts({ type: 'document', source: pdf, title: 'a.pdf' })).toEqual([
      { type: 'file', source: { kind: 'inline', mime: 'application/pdf', data: 'JVBE' }, name: 'a.pdf' },
    ]);
    expect(userParts({ type: 'document', source: { type: 'url', url: 'https://x.test/a' } })).toEqual([
      { type: 'file', source: { kind: 'url', url: 'https://x.test/a', mime: 'application/pdf' }, name: null },
    ]);
    expect(userParts({ type: 'document', source: { type: 'text', data: 'words' }, title: 'Notes' })).toEqual([
      text('Notes'),
      text('words'),
    ]);
    const told = { type: 'document', source: { type: 'text', data: 'words' }, title: 'Notes', context: 'Of May.' };
    expect(userParts(told)).toEqual([text('Notes'), text('Of May.'), text('words')]);
    expect(userParts({ type: 'document', source: pdf, context: 'Of May.' })?.[0]).toEqual(text('Of May.'));
    expect(userParts({ type: 'document', source: { type: 'content', content: [text('words')] } })).toEqual([
      text('words'),
    ]);
    expect(userParts({ type: 'document', source: { type: 'content', content: 'words' } })).toEqual([text('words')]);
    expect(userParts({ type: 'image', source: { type: 'file', file_id: 'file_1' } })).toEqual([
      { type: 'image', source: { kind: 'providerFile', id: 'file_1' }, detail: null },
    ]);
  });

  it('has no message for a turn without content', () => {
    expect(prompted({ messages: [says(''), says([], 'assistant'), says('hi')] }).messages).toHaveLength(1);
  });

  it('has the tools that the client declares, and its choice', () => {
    const schema = { type: 'object', properties: {} };
    const tools = [
      { name: 'f', description: 'does', input_schema: schema, strict: true },
      { type: 'custom', name: 'g', input_schema: schema, cache_control: { type: 'ephemeral' } },
    ];
    expect(prompted({ tools }).tools).toEqual([
      { name: 'f', description: 'does', parameters: schema, strict: true },
      { name: 'g', description: null, parameters: schema, strict: null },
    ]);
    const choice = (tool_choice: object) => {
      const { toolChoice, parallelTools } = prompted({ tools, tool_choice });
      return [toolChoice, parallelTools];
    };
    expect(choice({ type: 'auto' })).toEqual([{ kind: 'auto' }, null]);
    expect(choice({ type: 'none' })).toEqual([{ kind: 'none' }, null]);
    expect(choice({ type: 'any', disable_parallel_tool_use: true })).toEqual([{ kind: 'required' }, false]);
    expect(choice({ type: 'tool', name: 'f', disable_parallel_tool_use: false })).toEqual([
      { kind: 'tool', name: 'f' },
      null,
    ]);
  });

  it.each([
    [{}, null],
    [{ thinking: { type: 'enabled', budget_tokens: 2_000 } }, { effort: null, budgetTokens: 2_000, shown: true }],
    [{ thinking: { type: 'adaptive' } }, { effort: 'medium', budgetTokens: null, shown: true }],
    [
      { thinking: { type: 'adaptive', display: 'omitted' }, output_config: { effort: 'max' } },
      { effort: 'max', budgetTokens: null, shown: false },
    ],
    [
      { thinking: { type: 'disabled' }, output_config: { effort: 'low' } },
      { effort: 'none', budgetTokens: null, shown: false },
    ],
    [{ output_config: { effort: 'low' } }, { effort: 'low', budgetTokens: null, shown: false }],
  ])('has, for %j, the reasoning %j', (change, reasoning) => {
    expect(prompted(change).reasoning).toEqual(reasoning);
  });

  it('has the schema of the answer, from its newer and its older place', () => {
    const schema = { type: 'object' };
    const format = { type: 'json_schema', schema };
    const expected = { kind: 'schema', name: 'answer', schema, strict: null };
    expect(prompted({ output_config: { format } }).format).toEqual(expected);
    expect(prompted({ output_format: format }).format).toEqual(expected);
  });

  it('drops what changes no answer', () => {
    const change = {
      metadata: { user_id: 'x' },
      service_tier: 'auto',
      context_management: {},
      mcp_servers: [],
      container: null,
    };
    expect(prompted({ ...change, cache_control: { type: 'ephemeral' } })).toEqual(prompted());
  });
});

describe('A Messages body that other protocols cannot be asked', () => {
  const block = (given: object, role = 'user') => ({ messages: [says([given], role)] });

  it.each<[string, object, string]>([
    ['a server tool', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'tools.0.type'],
    ['an editor tool', { tools: [{ type: 'bash_20250124', name: 'bash' }] }, 'tools.0.type'],
    ['remote tools', { mcp_servers: [{ url: 'https://x.test' }] }, 'mcp_servers'],
    ['a container', { container: 'c_1' }, 'container'],
    ['a place', { inference_geo: 'us' }, 'inference_geo'],
    ['a cache to warm', { max_tokens: 0 }, 'max_tokens'],
    ['a search result', block({ type: 'search_result', source: 'x' }), 'messages.0.content.0.type'],
    ['a call of a server tool', block({ type: 'server_tool_use' }, 'assistant'), 'messages.0.content.0.type'],
    ['an image of the assistant', block({ type: 'image', source: {} }, 'assistant'), 'messages.0.content.0.type'],
    ['thinking of the user', block({ type: 'thinking', thinking: 'hm' }), 'messages.0.content.0.type'],
    ['an unknown effort', { output_config: { effort: 'huge' } }, 'output_config.effort'],
    ['unknown thinking', { thinking: { type: 'deep' } }, 'thinking.type'],
  ])('is refused: %s', (_name, change, param) => {
    expect(refusal(change)).toEqual(['unsupported_parameter', param]);
  });

  it.each<[string, object, string]>([
    ['a text that is none', block({ type: 'text', text: 7 }), 'messages.0.content.0.text'],
    ['a call whose input is no object', block({ ...CALL, input: [] }, 'assistant'), 'messages.0.content.0.input'],
    ['a call without an id', block({ ...CALL, id: null }, 'assistant'), 'messages.0.content.0.id'],
    ['a result of no call', block({ type: 'tool_result' }), 'messages.0.content.0.tool_use_id'],
    [
      'a result that is a number',
      block({ type: 'tool_result', tool_use_id: 'x', content: 7 }),
      'messages.0.content.0.content',
    ],
    [
      'a result of odd blocks',
      block({ type: 'tool_result', tool_use_id: 'x', content: ['a'] }),
      'messages.0.content.0.content.0',
    ],
    ['an image without a source', block({ type: 'image' }), 'messages.0.content.0.source'],
    [
      'an image from an odd source',
      block({ type: 'image', source: { type: 'disk' } }),
      'messages.0.content.0.source.type',
    ],
    [
      'an image without data',
      block({ type: 'image', source: { type: 'base64', media_type: 'image/png' } }),
      'messages.0.content.0.source.data',
    ],
    ['a tool without a schema', { tools: [{ name: 'f' }] }, 'tools.0.input_schema'],
    ['a tool without a name', { tools: [{ input_schema: {} }] }, 'tools.0.name'],
    ['a choice of no tool', { tool_choice: { type: 'tool' } }, 'tool_choice.name'],
    ['a format without a schema', { output_config: { format: { type: 'text' } } }, 'output_config.format'],
  ])('is refused as not valid: %s', (_name, change, param) => {
    expect(refusal(change)).toEqual(['invalid_request', param]);
  });

  it('is refused when documents stand in documents, or results in results', () => {
    const inner = { type: 'document', source: { type: 'content', content: [{ type: 'document' }] } };
    expect(refusal(block(inner))).toEqual(['unsupported_parameter', 'messages.0.content.0.source.content.0.type']);
    const nested = { type: 'tool_result', tool_use_id: 'x', content: [{ type: 'tool_result' }] };
    expect(refusal(block(nested))).toEqual(['unsupported_parameter', 'messages.0.content.0.content.0.type']);
  });
});
