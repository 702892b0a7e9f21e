import { describe, expect, it } from 'vitest';
import { mediaOperations } from '../../../../services/relay/operations/media.ts';
import { MAX_DEPTH, spoken } from './fixtures.ts';

describe('the operations that are no chat', () => {
  it('have one path each, and forms only where files go up', () => {
    const operations = mediaOperations({ maxDepth: MAX_DEPTH, spoken });
    expect(operations.map(({ path, bodyType = 'json' }) => `${path} ${bodyType}`)).toEqual([
      '/v1/embeddings json',
      '/v1/images/generations json',
      '/v1/images/edits multipart',
      '/v1/audio/speech json',
      '/v1/audio/transcriptions multipart',
      '/v1/audio/translations multipart',
      '/v1/moderations json',
      '/v1/rerank json',
    ]);
    expect(new Set(operations.map(({ dialect }) => dialect))).toEqual(new Set(['openai']));
  });
});
