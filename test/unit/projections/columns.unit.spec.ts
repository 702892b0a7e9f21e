import { describe, expect, it } from 'vitest';
import { columnsOf, storable, storableJson } from '../../../projections/columns.ts';

describe('columns', () => {
  it('are one array literal per name, in the order of the names', () => {
    const rows = [
      { id: 1n, name: 'a', open: true, rest: null },
      { id: 2n ** 63n, name: '', open: false, rest: 'NULL' },
    ];
    expect(columnsOf(rows, 'name', 'id', 'open', 'rest')).toEqual([
      '{"a",""}',
      '{1,9223372036854775808}',
      '{true,false}',
      '{NULL,"NULL"}',
    ]);
    expect(columnsOf([], 'name')).toEqual(['{}']);
  });

  it('quote what an array literal would read as its own', () => {
    expect(columnsOf([{ text: '{"a\\b",c}' }], 'text')).toEqual(['{"{\\"a\\\\b\\",c}"}']);
  });
});

describe('storable text', () => {
  it('is left alone when Postgres takes it', () => {
    expect(storable('naïve 模型 🎉\n')).toBe('naïve 模型 🎉\n');
    expect(storableJson({ a: ['"\\', '🎉'] })).toBe('{"a":["\\"\\\\","🎉"]}');
  });

  it('has no U+0000 and no half of a surrogate pair', () => {
    expect(storable('a\0b\ud800c')).toBe('a\ufffdb\ufffdc');
    expect(storableJson([{ a: '\0', b: '\udfff' }, 1, null])).toBe('[{"a":"\ufffd","b":"\ufffd"},1,null]');
  });

  it('keeps other control characters of JSON', () => {
    expect(storableJson('\u0001')).toBe('"\\u0001"');
  });
});
