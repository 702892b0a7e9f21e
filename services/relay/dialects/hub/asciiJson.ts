/**
 * JSON text with every other character as `\uXXXX`, which means the same. Clients of AI Hub decode each network chunk
 * alone, so a character that is cut between two of them would be lost there. Takes whole code units, in any cut.
 */
export function asciiJson(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
