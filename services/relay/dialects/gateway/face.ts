import type { ClientFace } from '../../call.ts';
import { OPENAI_FACE } from '../openai/face.ts';

/** Streams of the gateway are OpenAI's chunks; only its errors look different. */
export const GATEWAY_FACE: ClientFace = { ...OPENAI_FACE, dialect: 'gateway' };
