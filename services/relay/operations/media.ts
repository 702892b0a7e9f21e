import type { Operation } from '../operation.ts';
import { speech } from './audio/speechCall.ts';
import { transcriptions, translations } from './audio/transcriptionCall.ts';
import type { OperationParts } from './channels.ts';
import { embeddings } from './embeddings/openaiCall.ts';
import { imageEdits, imageGenerations } from './images/call.ts';
import { moderations } from './moderations.ts';
import { rerank } from './rerank.ts';

/** Everything in OpenAI's dialect that clients can ask of models and that is no chat. */
export function mediaOperations(parts: OperationParts): readonly Operation[] {
  return [
    embeddings(parts),
    imageGenerations(parts),
    imageEdits(parts),
    speech(parts),
    transcriptions(),
    translations(),
    moderations(parts),
    rerank(parts),
  ];
}
