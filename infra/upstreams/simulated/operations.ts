import { chat } from './chat.ts';
import { embeddings } from './embeddings.ts';
import { imageEdits, imageGenerations } from './images.ts';
import { moderations } from './moderations.ts';
import type { Operation } from './operation.ts';
import { rerank } from './rerank.ts';
import { speech } from './speech.ts';
import { transcriptions, translations } from './transcriptions.ts';

/** Everything that can be posted, by path. */
export function simulatedOperations(): ReadonlyMap<string, Operation> {
  return new Map([
    ['/v1/chat/completions', chat()],
    ['/v1/embeddings', embeddings],
    ['/v1/images/generations', imageGenerations],
    ['/v1/images/edits', imageEdits],
    ['/v1/audio/speech', speech],
    ['/v1/audio/transcriptions', transcriptions],
    ['/v1/audio/translations', translations],
    ['/v1/moderations', moderations],
    ['/v1/rerank', rerank],
  ]);
}
