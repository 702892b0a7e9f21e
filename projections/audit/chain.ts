import { hash } from 'node:crypto';
import type { RecordedEvent } from '../../events/eventStore.ts';

/** What the first event of every account is chained to. */
export const GENESIS: Buffer = Buffer.alloc(32);

/**
 * The hash of an event in its account's chain: SHA-256 over the previous hash (32 bytes), then six header lines
 * (position, stream, revision, event id, type, version, each ended by a newline), then the stored bytes of the event.
 * All text is UTF-8, numbers are decimal. Whoever has the events can recompute it with nothing of ours.
 */
export function chainHash(previous: Buffer, event: RecordedEvent): Buffer {
  const { position, stream, revision, eventId, type, version, data } = event;
  const header = `${String(position)}\n${stream}\n${String(revision)}\n${eventId}\n${type}\n${String(version)}\n`;
  return hash('sha256', Buffer.concat([previous, Buffer.from(header + data)]), 'buffer');
}
