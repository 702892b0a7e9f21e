/**
 * What every golden call says: eleven words, the last one long enough for a hold that no reported count outgrows (a
 * hold allows one token per byte of the prompt).
 */
export const PROMPT = `one two three four five six seven eight nine ten ${'x'.repeat(3_000)}`;

export const MODEL = 'golden-1';
