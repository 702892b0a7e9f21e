import { hash } from 'node:crypto';
import { z } from 'zod';
import type { EncodedEvent } from '../../events/codec.ts';
import type { RecordedEvent } from '../../events/eventStore.ts';

/** A place in the log of KurrentDB, in byte offsets. Of events that we write both are the same. */
export interface LogPlace {
  readonly commit: bigint;
  readonly prepare: bigint;
}

/** An event as it is written: bytes that the server and the client never look into, and so give back unchanged. */
export interface KurrentEvent {
  readonly id: string;
  readonly type: string;
  readonly data: Uint8Array;
  readonly metadata: { readonly eventId: string; readonly version: number };
}

/** An event as it is read, ours or not. */
export interface KurrentRecord {
  readonly stream: string;
  readonly revision: bigint;
  readonly type: string;
  /** Null for JSON, which the client parses, so that its bytes are lost. We never write it. */
  readonly bytes: Uint8Array | null;
  readonly metadata: unknown;
  readonly position: LogPlace | undefined;
}

const ourMetadata = z.object({ eventId: z.string(), version: z.int().positive() });
const utf8 = new TextEncoder();
/** Stands between parts of what is hashed; `assertStorable` keeps it out of them. */
const SEPARATOR = '\u001f';
/** What servers before 22.6 say where they do not know. */
const NO_POSITION = 2n ** 64n - 1n;

/** The content as bytes, our id and version in the metadata. */
export function toStored(event: EncodedEvent): KurrentEvent {
  const { eventId, type, version, data } = event;
  return { id: contentId(event), type, data: utf8.encode(data), metadata: { eventId, version } };
}

/**
 * A uuid of version 8 that stands for an event with its body. KurrentDB takes an append for a repetition when all ids are
 * the same, and never compares bodies. By this id, another body under an id of ours is another event, and is refused.
 * Never change it: repetitions recognise each other by these ids.
 */
export function contentId({ eventId, type, version, data }: EncodedEvent): string {
  const hex = hash('sha256', [eventId, type, version, data].join(SEPARATOR), 'hex');
  const variant = '89ab'.charAt(Number.parseInt(hex.charAt(16), 16) & 0x3);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The event as it was appended, or null when it is not one of ours. */
export function toRecorded(record: KurrentRecord): RecordedEvent | null {
  const { stream, revision, type, bytes } = record;
  if (!bytes) return null;
  const metadata = ourMetadata.safeParse(record.metadata);
  if (!metadata.success) return null;
  const { eventId, version } = metadata.data;
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return { eventId, type, version, data, stream, revision, position: positionOf(record) };
}

/** Our position of a record: its byte offset in the log. Throws Error when the server does not tell. */
export function positionOf({ position }: KurrentRecord): bigint {
  if (!position || position.commit >= NO_POSITION) {
    throw new Error('this KurrentDB does not tell the position of an event: it must be 22.6 or later');
  }
  return position.commit;
}
