import { describe, expect, it } from 'vitest';
import { claudeMessagesCall } from '../../../../services/relay/dialects/claude/call.ts';
import { countTokensAnswer, parseCountTokens } from '../../../../services/relay/dialects/claude/countTokens.ts';
import { CLAUDE_FACE } from '../../../../services/relay/dialects/claude/face.ts';
import { claudeProtocol } from '../../../../services/relay/dialects/claude/upstream.ts';
import type { Protocol } from '../../../../services/relay/ports.ts';
import {
  BILLED,
  channel,
  CONTEXT,
  eventsOf,
  fed,
  GOLDEN,
  MAX_DEPTH,
  MODEL,
  stream,
  UPSTREAM_MODEL,
} from './fixtures.ts';

const HELLO = { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: '你好' }] };
const bytes = (change: object) => Buffer.from(JSON.stringify({ ...HELLO, ...change }));
const spokenTo: Protocol[] = [];
const call = (change: object = {}) =>
  claudeMessagesCall(bytes(change), MAX_DEPTH, { 'anthropic-beta': 'b-1' }, (protocol) => {
    spokenTo.push(protocol);
    return claudeProtocol;
  });
const content = (...blocks: unknown[]) => ({ messages: [{ role: 'user', content: blocks }] });
const bound = (change: object) => call(change).bounds(4_096).inputTokens;

describe('A Messages call', () => {
  it('is what the engine asks it about', () => {
    const raw = bytes({ stream: true });
    const made = claudeMessagesCall(raw, MAX_DEPTH, {}, () => claudeProtocol);
    expect(made).toMatchObject({ route: '/v1/messages', model: MODEL, streamed: true });
    expect(made.raw).toBe(raw);
  });

  it('may give what the client allows, at most what the price book allows', () => {
    expect(call().bounds(4_096)).toMatchObject({ outputTokens: 100, other: {} });
    expect(call().bounds(50).outputTokens).toBe(50);
  });

  it('is bounded by the bytes of its texts and an allowance for its template', () => {
    expect(bound({})).toBe(64 + 8 + 6);
    expect(bound({ system: [{ type: 'text', text: 'abc', cache_control: { type: 'ephemeral' } }] })).toBe(
      64 + 16 + 6 + 3,
    );
    expect(call().promptToCount()).toEqual({ texts: ['你好'], overhead: 6 });
  });

  it('counts images and files as attachments, and documents that are text as text', () => {
    const data = 'A'.repeat(100_000);
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } };
    expect(bound(content(image))).toBe(64 + 16 + 6_000);
    expect(bound(content({ type: 'tool_result', tool_use_id: '', content: [image] }))).toBe(64 + 24 + 6_000);
    const document = { type: 'document', source: { type: 'text', media_type: '', data } };
    expect(bound(content(document))).toBe(64 + 24 + 100_000);
    const blocks = { type: 'content', content: [{ type: 'text', text: 'abc' }, image] };
    expect(bound(content({ type: 'document', source: blocks }))).toBe(64 + 40 + 3 + 6_000);
  });

  it('leaves room for what Claude adds to a prompt with tools', () => {
    const tool = { name: 'f', input_schema: { type: 'object', source: 'x' } };
    const schema = JSON.stringify(tool.input_schema).length;
    expect(bound({ tools: [tool] })).toBe(64 + 16 + 6 + 1 + schema + 1_000);
    expect(bound({ tools: [{ type: 'bash_20250124', name: 'bash' }] })).toBe(64 + 16 + 6 + 4 + 2_000);
    expect(call({ tools: [tool] }).promptToCount().overhead).toBe(3 + 6 + 350);
  });

  it('passes through to a channel of its own dialect, with what its provider must know of the headers', async () => {
    const { request } = await call().passage(channel(), CONTEXT);
    expect(request.body).toEqual(bytes({}));
    expect(request.headers['anthropic-beta']).toBe('b-1');
    expect(spokenTo).toEqual([]);
  });

  it('crosses to a channel of another one, and its answer comes back', async () => {
    const gemini = channel({ protocol: 'gemini', upstreamModel: UPSTREAM_MODEL });
    const change = { stream: true, thinking: { type: 'adaptive' }, temperature: 0.5, max_tokens: 9_000 };
    const passage = await call(change).passage(gemini, CONTEXT);
    expect(spokenTo).toEqual(['gemini']);
    expect(JSON.parse(String(passage.request.body))).toMatchObject({ model: UPSTREAM_MODEL, max_tokens: 4_096 });
    expect(passage.request.headers).not.toHaveProperty('anthropic-beta');
    const answer = passage.read({ 'content-type': 'text/event-stream' });
    const events = eventsOf(fed(answer, stream(...GOLDEN)) + String(answer.ending(BILLED)));
    const expected = GOLDEN.filter(({ type, delta }) => {
      const empty = (delta as { partial_json?: string } | undefined)?.partial_json === '';
      return type !== 'ping' && !empty;
    });
    expect(events.slice(1, -2)).toEqual(expected.slice(1, -2));
    expect(events[0]).toMatchObject({ message: { id: 'msg_01', model: MODEL } });
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 15 } });
  });

  it('is refused by a channel that cannot carry it', () => {
    const own = { tools: [{ type: 'bash_20250124', name: 'bash' }] };
    expect(() => call(own).passage(channel({ protocol: 'openai' }), CONTEXT)).toThrow(
      expect.objectContaining({ code: 'unsupported_parameter', param: 'tools.0.type' }),
    );
    expect(() => call(own).passage(channel(), CONTEXT)).not.toThrow();
  });
});

describe('How a client of Claude hears', () => {
  it('has a name on every event', () => {
    expect(CLAUDE_FACE).toMatchObject({ dialect: 'claude', streamType: 'text/event-stream; charset=utf-8' });
    expect(CLAUDE_FACE.keepAlive).toBe('event: ping\ndata: {"type":"ping"}\n\n');
    expect(CLAUDE_FACE.errorEvent('{"type":"error"}')).toBe('event: error\ndata: {"type":"error"}\n\n');
  });
});

describe('The counting of tokens', () => {
  const count = (body: object) => parseCountTokens(Buffer.from(JSON.stringify(body)), MAX_DEPTH);

  it('takes a body without an output limit', () => {
    const { model, messages } = HELLO;
    const expected = { model: MODEL, prompt: { texts: ['be kind', '你好'], overhead: 6 } };
    const found = count({ model, messages, system: 'be kind', something_new: 1 });
    expect({ ...found, prompt: { ...found.prompt, texts: [...found.prompt.texts].sort() } }).toEqual(expected);
    expect(count(HELLO).prompt).toEqual(call().promptToCount());
  });

  it('refuses what is no body', () => {
    expect(() => count({ model: MODEL })).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'messages' }),
    );
    expect(() => parseCountTokens(Buffer.from('['), MAX_DEPTH)).toThrow(
      expect.objectContaining({ code: 'invalid_json' }),
    );
  });

  it('is answered in the words of Claude', () => {
    expect(countTokensAnswer(42)).toEqual({ input_tokens: 42 });
  });
});
