import { describe, expect, it } from 'vitest';
import { lookAt, unescaped } from '../../../../services/relay/realtime/frameLook.ts';

describe('A look at a frame', () => {
  it.each([
    ['first', '{"type":"a","x":1}'],
    ['last', '{"x":[{"type":"no"}],"y":{"type":"no"},"type":"a"}'],
    ['with space around it', ' {\n "type" \t:\r\n "a" } '],
    ['behind a text that looks like it', '{"text":"\\"type\\":\\"no\\"","type":"a"}'],
    ['with an escaped name', '{"ty\\u0070e":"a"}'],
    ['with an escaped value', '{"type":"\\u0061"}'],
  ])('finds the type %s', (_where, frame) => {
    expect(lookAt(frame)).toMatchObject({ type: 'a', isAmbiguous: false });
  });

  it.each([
    ['', null],
    ['not JSON', null],
    ['[]', null],
    ['"type"', null],
    ['["type","a"]', null],
    ['{"type":1}', null],
    ['{"type":null}', null],
    ['{"session":{"type":"no"}}', null],
    ['{"type"', null],
    ['{"type":', null],
  ])('finds no type in %s', (frame, type) => {
    expect(lookAt(frame).type).toBe(type);
  });

  it('says when the type stands twice, also in another spelling', () => {
    expect(lookAt('{"type":"a","type":"b"}')).toMatchObject({ type: 'b', isAmbiguous: true });
    expect(lookAt('{"type":"a","\\u0074ype":"b"}').isAmbiguous).toBe(true);
    expect(lookAt('{"type":"a","type":1}').isAmbiguous).toBe(true);
    expect(lookAt('{"type":"a","item":{"type":"b"}}').isAmbiguous).toBe(false);
  });

  it('gives members that are strings as they stand, and no others', () => {
    const look = lookAt('{"type":"x","delta":"a\\n\\"b\\"","n":1,"item":{"id":"inner"},"response_id":"r"}');
    expect(look.raw('delta')).toBe('a\\n\\"b\\"');
    expect(unescaped(look.raw('delta') ?? '')).toBe('a\n"b"');
    expect([look.raw('n'), look.raw('id'), look.raw('response_id')]).toEqual([null, null, 'r']);
  });

  it('leaves an escape that is not valid as it is', () => {
    expect(unescaped('a\\q')).toBe('a\\q');
  });

  it('jumps over megabytes of audio', () => {
    const audio = 'A'.repeat(8_000_000);
    const look = lookAt(`{"audio":"${audio}","type":"input_audio_buffer.append"}`);
    expect(look.type).toBe('input_audio_buffer.append');
    expect(look.raw('audio')).toHaveLength(8_000_000);
  });
});
