export const GEMINI_METHODS = [
  'generateContent',
  'streamGenerateContent',
  'countTokens',
  'embedContent',
  'batchEmbedContents',
] as const;
export type GeminiMethod = (typeof GEMINI_METHODS)[number];

export interface ModelPath {
  readonly model: string;
  readonly method: GeminiMethod;
}

/** As long as the names of models in the other dialects' bodies. */
const MAX_MODEL_CHARACTERS = 200;

/**
 * Reads what stands behind `/v1beta/models/`: `gemini-2.5-flash:generateContent`. A model may have colons and slashes of
 * its own, and any of them may be percent-encoded. Null for what names no model or no method that we know.
 */
export function parseModelPath(pathAfterModels: string): ModelPath | null {
  const path = decoded(pathAfterModels);
  if (path === null) return null;
  const colon = path.lastIndexOf(':');
  if (colon < 0) return null;
  const model = path.slice(0, colon).replace(/^(?:models|tunedModels)\//, '');
  const method = GEMINI_METHODS.find((known) => known === path.slice(colon + 1));
  if (method === undefined || model === '' || model.length > MAX_MODEL_CHARACTERS) return null;
  return { model, method };
}

function decoded(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch {
    // A percent sign that encodes nothing.
    return null;
  }
}
