import fc from 'fast-check';
import { v5, validate, version } from 'uuid';
import { describe, expect, it } from 'vitest';
import { deriveId } from '../../../events/ids.ts';

const NAMESPACE = '5b7e8d0c-4f1a-4c63-b0d9-a2e6f7139c58';
const part = fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer());

describe('derived ids', () => {
  it('agree with an independent implementation for any parts', () => {
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const id = deriveId(...parts);
        expect(id).toBe(v5(parts.join('/'), NAMESPACE));
        expect(validate(id)).toBe(true);
        expect(version(id)).toBe(5);
      }),
    );
  });
});
