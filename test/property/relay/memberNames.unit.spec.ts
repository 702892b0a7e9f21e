import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memberNames } from '../../../services/relay/wire/memberNames.ts';

const name = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\\', '"', '\\"', '{', '[', ',', ':', 'a'));
const value = fc.jsonValue({ stringUnit: 'binary' });

describe('The member names of a JSON text', () => {
  it('are those of the object, repeated ones too, in their order', () => {
    const space = fc.constantFrom('', ' ', '\n\t');
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), space, (members, gap) => {
        const inside = members.map(([key, held]) => `${gap}${JSON.stringify(key)}${gap}:${gap}${JSON.stringify(held)}`);
        const source = `${gap}{${inside.join(`${gap},`)}${gap}}`;
        expect(memberNames(source)).toEqual(members.map(([key]) => JSON.parse(JSON.stringify(key)) as string));
      }),
      { numRuns: 500 },
    );
  });

  it('are unescaped', () => {
    expect(memberNames('{"mod\\u0065l":"\\"x\\":1","\\\\":{"deep":1},"b":[{"c":2},"d"]}')).toEqual([
      'model',
      '\\',
      'b',
    ]);
  });

  it('are found in a text of many megabytes without much ado', () => {
    const source = JSON.stringify({ first: '\\"'.repeat(2_000_000), last: `${'x'.repeat(8_000_000)}\\` });
    expect(memberNames(source)).toEqual(['first', 'last']);
  });
});
