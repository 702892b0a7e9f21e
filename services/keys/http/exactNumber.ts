import { formatPicos, type Picos } from '../../../events/money.ts';

/** ES2025 `JSON.rawJSON`, which Node 24 has and the compiler's library does not know yet. */
const exactJson = JSON as typeof JSON & { rawJSON(text: string): object };

/** An amount in major units that serialises as an exact JSON number, such as `0.00000855`; no float is ever made of it. */
export function exactNumber(amount: Picos): object {
  return exactJson.rawJSON(formatPicos(amount));
}
