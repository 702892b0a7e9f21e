/**
 * A word that an upstream has chosen, such as a finish reason or a request id, when it looks like one; otherwise null.
 * The record cannot forget, so nothing goes there that might be a piece of the prompt or the answer.
 */
export function machineWord(given: unknown, maxLength: number): string | null {
  return typeof given === 'string' && given.length <= maxLength && /^[\w.:/-]+$/.test(given) ? given : null;
}
