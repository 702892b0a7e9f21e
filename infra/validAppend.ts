import type { Append } from '../events/eventStore.ts';

/** Names fit an index entry with room to spare. */
const MAX_STREAM_LENGTH = 300;
const MAX_TYPE_LENGTH = 100;
/** One event, in UTF-16 units. */
const MAX_DATA_LENGTH = 4_000_000;
const MAX_EVENTS = 1_000;
const MAX_VERSION = 32_767;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** U+001F separates fields on the way to Postgres and U+0000 cannot be stored there; JSON text never holds them raw. */
const UNSTORABLE = ['\u001f', '\u0000'];

/**
 * Refuses what no store could give back unchanged, before it joins a batch with others. Throws TypeError: such an append
 * is a bug of the caller.
 */
export function assertStorable({ stream, expected, events }: Append): void {
  if (expected !== 'no_stream' && expected < 0n) throw new TypeError('an expected revision is not negative');
  if (events.length === 0 || events.length > MAX_EVENTS) throw new TypeError('an append has 1 to 1000 events');
  assertText('stream', stream, MAX_STREAM_LENGTH);
  for (const event of events) {
    if (!UUID.test(event.eventId)) throw new TypeError('an event id is a uuid in lower case');
    if (!Number.isInteger(event.version) || event.version < 1 || event.version > MAX_VERSION) {
      throw new TypeError('an event version is a whole number from 1 to 32767');
    }
    assertText('type', event.type, MAX_TYPE_LENGTH);
    assertText('data', event.data, MAX_DATA_LENGTH);
  }
}

function assertText(name: string, text: string, maxLength: number): void {
  if (text.length === 0 || text.length > maxLength) {
    throw new TypeError(`the ${name} of an event has 1 to ${String(maxLength)} characters`);
  }
  if (!text.isWellFormed() || UNSTORABLE.some((character) => text.includes(character))) {
    throw new TypeError(`the ${name} of an event holds a character that cannot be stored`);
  }
}
