import { describe, expect, it } from 'vitest';
import type { Message, Part, TextPart } from '../../../../services/relay/canonical/prompt.ts';
import { assistant, asked, call, refusal, result, says, user } from './asked.ts';

const turns = async (...messages: Message[]) => (await asked({ messages }))['messages'];
const block = (text: string) => ({ type: 'text', text });
const PLACEHOLDER = { role: 'user', content: [block('.')] };

/** The first bytes of files, in base64. */
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex').toString('base64');
const WEBP = Buffer.from('524946461a00000057454250', 'hex').toString('base64');
const PDF = Buffer.from('%PDF-1.7 and so on').toString('base64');
const inline = (mime: string, data: string) => ({ kind: 'inline' as const, mime, data });

describe('The turns that Claude is asked with', () => {
  it('are merged where neighbours have the same role', async () => {
    expect(
      await turns(user(says('a')), user(says('b')), assistant(says('c')), assistant(says('d')), user(says('e'))),
    ).toEqual([
      { role: 'user', content: [block('a'), block('b')] },
      { role: 'assistant', content: [block('c'), block('d')] },
      { role: 'user', content: [block('e')] },
    ]);
  });

  it('begin with the user', async () => {
    expect(await turns(assistant(says('a')), user(says('b')))).toEqual([
      PLACEHOLDER,
      { role: 'assistant', content: [block('a')] },
      { role: 'user', content: [block('b')] },
    ]);
    expect(await turns()).toEqual([PLACEHOLDER]);
  });

  it('have no empty texts, and no turn that is left without content', async () => {
    expect(await turns(user(says('a')), assistant(says(''), says(' \n')), user(says(''), says('b')))).toEqual([
      { role: 'user', content: [block('a'), block('b')] },
    ]);
    expect(await turns(user(says('')))).toEqual([PLACEHOLDER]);
  });

  it('do not end in white space that Claude would continue', async () => {
    expect(await turns(user(says('a ')), assistant(says('b '), says('It is \n')))).toEqual([
      { role: 'user', content: [block('a ')] },
      { role: 'assistant', content: [block('b '), block('It is')] },
    ]);
  });

  it('answer all calls in one turn, before anything that the user says', async () => {
    const messages = [
      user(says('a')),
      assistant(says('let me see'), call('x', '{"n":1}'), call('y', '')),
      user(says('hurry')),
      result('x', says('1')),
      result('y'),
    ];
    expect(await turns(...messages)).toEqual([
      { role: 'user', content: [block('a')] },
      {
        role: 'assistant',
        content: [
          block('let me see'),
          { type: 'tool_use', id: 'x', name: 'f', input: { n: 1 } },
          { type: 'tool_use', id: 'y', name: 'f', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'x', content: [block('1')] },
          { type: 'tool_result', tool_use_id: 'y' },
          block('hurry'),
        ],
      },
    ]);
  });

  it('keep legal ids of calls, and give a call with another one and its result the same new one', async () => {
    const ids = async (id: string) => {
      const [, calling, answering] = (await turns(user(says('a')), assistant(call(id)), result(id))) as {
        content: { id?: string; tool_use_id?: string }[];
      }[];
      return [calling?.content[0]?.id, answering?.content[0]?.tool_use_id];
    };
    expect(await ids('call_A-1')).toEqual(['call_A-1', 'call_A-1']);
    const [calling, answering] = await ids('call:1|北');
    expect(calling).toMatch(/^toolu_[0-9a-f]{32}$/);
    expect(answering).toBe(calling);
    expect((await ids('call:2'))[0]).not.toBe(calling);
  });

  it('tell that a tool failed, and carry the images of its result', async () => {
    const failed: Part = {
      type: 'toolResult',
      callId: 'x',
      name: null,
      parts: [says('no'), { type: 'image', source: inline('image/png', PNG), detail: null }],
      isError: true,
    };
    expect(await turns(user(says('a')), assistant(call('x')), { role: 'tool', parts: [failed] })).toMatchObject([
      {},
      {},
      { content: [{ is_error: true, content: [block('no'), { type: 'image' }] }] },
    ]);
  });

  it('carry thinking that is signed or hidden, and drop what nothing proves', async () => {
    const thinking = (signature: string | null): Part => ({ type: 'thinking', text: 'hm', signature });
    const redacted: Part = { type: 'redactedThinking', data: 'ZA==' };
    expect(
      await turns(user(says('a')), assistant(thinking(null), thinking('c2ln'), redacted, says('b'))),
    ).toMatchObject([
      {},
      {
        content: [
          { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
          { type: 'redacted_thinking', data: 'ZA==' },
          block('b'),
        ],
      },
    ]);
  });

  it('have what a model refused as its words', async () => {
    expect(await turns(user(says('a')), assistant({ type: 'refusal', text: 'No.' }), user(says('b')))).toMatchObject([
      {},
      { content: [block('No.')] },
      {},
    ]);
  });

  it.each(['[1]', '"x"', 'null', '{"a"'])('are refused when the arguments of a call are %s', async (json) => {
    const messages = [user(says('a')), assistant(call('x', json)), result('x')];
    expect(await refusal({ messages })).toEqual(['invalid_request', 'messages']);
  });
});

describe('The media that Claude is asked with', () => {
  const content = async (part: Part) => ((await turns(user(part))) as { content: unknown }[])[0]?.content;
  const image = (source: Extract<Part, { type: 'image' }>['source']): Part => ({
    type: 'image',
    source,
    detail: 'low',
  });
  const file = (source: Extract<Part, { type: 'file' }>['source'], name: string | null = null): Part => ({
    type: 'file',
    source,
    name,
  });

  it('are images under the type that their bytes show', async () => {
    const sent = (media_type: string, data: string) => [
      { type: 'image', source: { type: 'base64', media_type, data } },
    ];
    expect(await content(image(inline('image/jpeg', PNG)))).toEqual(sent('image/png', PNG));
    expect(await content(image(inline('application/octet-stream', WEBP)))).toEqual(sent('image/webp', WEBP));
    expect(await content(image(inline('IMAGE/JPEG; q=1', 'AAAA')))).toEqual(sent('image/jpeg', 'AAAA'));
    expect(await content(image({ kind: 'url', url: 'https://x.test/a.png', mime: null }))).toEqual([
      { type: 'image', source: { type: 'url', url: 'https://x.test/a.png' } },
    ]);
  });

  it('are documents: PDF with its name, and text as text', async () => {
    expect(await content(file(inline('application/pdf', PDF), 'a.pdf'))).toEqual([
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: PDF }, title: 'a.pdf' },
    ]);
    expect(await content(file(inline('text/csv', Buffer.from('a,北').toString('base64'))))).toEqual([
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a,北' } },
    ]);
    expect(await content(file({ kind: 'url', url: 'https://x.test/a.pdf', mime: null }))).toEqual([
      { type: 'document', source: { type: 'url', url: 'https://x.test/a.pdf' } },
    ]);
    expect(await content(file(inline('image/png', PNG)))).toMatchObject([{ type: 'image' }]);
  });

  it.each<[string, Part]>([
    ['audio', { type: 'audio', source: inline('audio/wav', 'AAAA') }],
    ['an image of another type', image(inline('image/bmp', 'AAAA'))],
    ['a file of another type', file(inline('application/zip', 'AAAA'))],
    ['an image that lies with a provider', image({ kind: 'providerFile', id: 'file-1' })],
    ['a file that lies with a provider', file({ kind: 'providerFile', id: 'file-1' })],
    ['a call by the user', call('x')],
  ])('are refused when they are %s', async (_name, part) => {
    expect(await refusal({ messages: [user(part)] })).toEqual(['unsupported_parameter', 'messages']);
  });

  it('are refused in the turns of the assistant', async () => {
    const messages = [user(says('a')), assistant(image(inline('image/png', PNG)))];
    expect(await refusal({ messages })).toEqual(['unsupported_parameter', 'messages']);
  });
});

describe('The instructions that Claude is asked with', () => {
  const cached = (text: string, cache: '5m' | '1h'): TextPart => ({ type: 'text', text, cache });

  it('stand apart from the turns, in order, with their cache marks', async () => {
    const body = await asked({
      system: [{ type: 'text', text: 'a' }, { type: 'text', text: '' }, cached('b', '1h'), cached('c', '5m')],
    });
    expect(body['system']).toEqual([
      block('a'),
      { ...block('b'), cache_control: { type: 'ephemeral', ttl: '1h' } },
      { ...block('c'), cache_control: { type: 'ephemeral' } },
    ]);
    expect(await asked({ system: [{ type: 'text', text: ' ' }] })).not.toHaveProperty('system');
  });

  it('have four cache marks at most, together with the turns: the last ones', async () => {
    const system = [cached('a', '1h'), cached('b', '1h')];
    const body = await asked({
      system,
      messages: [user(cached('c', '5m'), cached('d', '5m')), assistant(call('x')), result('x', cached('e', '5m'))],
    });
    const marked = JSON.stringify(body).match(/"text":"\w","cache_control"/g);
    expect(marked).toEqual(['b', 'c', 'd', 'e'].map((text) => `"text":"${text}","cache_control"`));
  });

  it('ask for JSON where the client wants it without a schema', async () => {
    const body = await asked({ system: [{ type: 'text', text: 'a' }], format: { kind: 'json' } });
    expect(body['system']).toEqual([block('a'), block('Answer with one JSON object and nothing else.')]);
    expect(body).not.toHaveProperty('output_config');
  });
});
