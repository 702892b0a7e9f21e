import { describe, expect, it } from 'vitest';
import { agentQuery } from '../../../../services/relay/dialects/agentPrompt.ts';
import type { ChatPrompt, Part } from '../../../../services/relay/canonical/prompt.ts';
import { assistant, imageAt, INLINE_IMAGE, prompt, text, user } from './agentFixtures.ts';

const SESSION = { id: 'ours', platformId: 'theirs' };
const query = (change: Partial<ChatPrompt>) => agentQuery(prompt(change)).text;

describe('A prompt for an agent', () => {
  it('is the one message of the user as it stands', () => {
    expect(agentQuery(prompt({ messages: [user(' 你好\n')] }))).toEqual({ text: ' 你好\n', media: [] });
  });

  it('is instructions, a transcript and the last turn where no platform keeps the conversation', () => {
    const messages = [user('one'), assistant('two'), user('three'), assistant('four'), user('five'), user('six')];
    expect(query({ system: [{ type: 'text', text: 'Be brief.' }], messages })).toBe(
      'Be brief.\n\nUser: one\n\nAssistant: two\n\nUser: three\n\nAssistant: four\n\nfive\n\nsix',
    );
  });

  it('is instructions and the last turn where the platform keeps the conversation', () => {
    const messages = [user('one'), assistant('two'), user('three')];
    expect(query({ session: SESSION, system: [{ type: 'text', text: 'Be brief.' }], messages })).toBe(
      'Be brief.\n\nthree',
    );
  });

  it('has no empty pieces, nor the thinking of earlier answers', () => {
    const thinking: Part = { type: 'thinking', text: 'hm', signature: 'x' };
    const messages = [
      user('one'),
      assistant(thinking, { type: 'refusal', text: 'No.' }),
      assistant(thinking),
      user('two'),
    ];
    expect(query({ system: [{ type: 'text', text: ' ' }], messages })).toBe('User: one\n\nAssistant: No.\n\ntwo');
  });

  it('carries the attachments of earlier turns along and shows where they stood', () => {
    const [first, second] = [imageAt('https://a.example/1.png'), imageAt('https://a.example/2.png')];
    const messages = [user(first, 'what is it?'), assistant('a cat'), user(second, 'and this?')];
    expect(agentQuery(prompt({ messages }))).toEqual({
      text: 'User: [image]\nwhat is it?\n\nAssistant: a cat\n\nand this?',
      media: [first, second],
    });
  });

  it('carries only the last turn’s attachments in a session', () => {
    const [first, second] = [imageAt('https://a.example/1.png'), imageAt('https://a.example/2.png')];
    const messages = [user(first), assistant('a cat'), user(second)];
    expect(agentQuery(prompt({ messages, session: SESSION }))).toEqual({ text: '', media: [second] });
  });

  it('drops sampling, reasoning and limits', () => {
    const sampling = { ...prompt().sampling, temperature: 1, stop: ['x'] };
    const reasoning = { effort: 'high', budgetTokens: null, shown: true } as const;
    expect(query({ sampling, reasoning, parallelTools: false })).toBe('hi');
  });
});

describe('A prompt that an agent cannot take', () => {
  const tool = { name: 'f', description: null, parameters: null, strict: null };
  const call: Part = { type: 'toolCall', id: '1', name: 'f', arguments: '{}' };
  const result: Part = { type: 'toolResult', callId: '1', name: 'f', parts: [text('x')], isError: false };

  it.each<[string, Partial<ChatPrompt>, string]>([
    ['tools', { tools: [tool] }, 'tools'],
    ['a format', { format: { kind: 'json' } }, 'response_format'],
    ['several answers', { choices: 2 }, 'n'],
    ['calls of tools', { messages: [user('x'), assistant(call), user('y')] }, 'messages'],
    ['results of tools', { messages: [user('x'), { role: 'tool', parts: [result] }, user('y')] }, 'messages'],
    ['no last turn of the user', { messages: [user('x'), assistant('y')] }, 'messages'],
    ['no messages', { messages: [] }, 'messages'],
    ['a file of another provider', { messages: [user(fileOf('file-1'))] }, 'messages'],
    ['an address that is not of the web', { messages: [user(imageAt('file:///etc/passwd'))] }, 'messages'],
  ])('with %s is refused', (_, change, param) => {
    expect(() => agentQuery(prompt(change))).toThrow(expect.objectContaining({ code: 'unsupported_parameter', param }));
  });

  it('because it asks nothing is not valid', () => {
    expect(() => agentQuery(prompt({ messages: [user(' \n')] }))).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'messages' }),
    );
  });

  it('has a file of the platform only in a session, whose files are looked up among its own', () => {
    const file = fileOf('upload-1');
    expect(agentQuery(prompt({ messages: [user(file)], session: SESSION })).media).toEqual([file]);
  });

  it('leaves inline images to the platform to judge', () => {
    expect(agentQuery(prompt({ messages: [user(INLINE_IMAGE)] })).media).toEqual([INLINE_IMAGE]);
  });
});

function fileOf(id: string): Part {
  return { type: 'file', source: { kind: 'providerFile', id }, name: null };
}
