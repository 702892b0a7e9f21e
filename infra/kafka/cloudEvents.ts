import type { PartitionRecord } from '../../events/distributionLog.ts';
import { envelopeIn } from '../../events/envelopeIn.ts';
import type { RecordedEvent } from '../../events/eventStore.ts';

/** A Kafka record as it is written: a CloudEvent 1.0 in binary mode (CloudEvents Kafka protocol binding, 3.2). */
export interface OutgoingRecord {
  /** The account id; null for a mark. */
  readonly key: string | null;
  /** The stored bytes of the event; null for a mark. */
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** A Kafka record as it is read. */
export interface IncomingRecord {
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>> | undefined;
}

const SPEC_VERSION = '1.0';
/** Where events come from: our events, of whichever installation; a topic belongs to one of them. */
const SOURCE = 'urn:tallystick:events';
const TYPE_PREFIX = 'io.tallystick.';
/** No event has this type, for theirs end in a version. */
const MARK_TYPE = 'io.tallystick.mark';
/** Type and version of an event in its CloudEvents type, `io.tallystick.RequestAccepted.v1`. */
const EVENT_TYPE = /^io\.tallystick\.(.+)\.v([1-9]\d{0,4})$/s;
const WHOLE = /^\d{1,19}$/;

/**
 * The record of an event or mark in a partition. What a record is made of follows from the log and the partition alone,
 * so a record that is published again is the same record. Names of extension attributes are lower case without hyphens.
 */
export function toCloudEvent(partition: number, { event, position, previous }: PartitionRecord): OutgoingRecord {
  const place = { ce_position: String(position), ce_previous: String(previous) };
  if (event === null) {
    const id = `mark-${String(partition)}-${String(position)}`;
    return { key: null, value: null, headers: { ...attributes(id, MARK_TYPE), ...place } };
  }
  const { accountId, occurredAt } = envelopeIn(event.data);
  return {
    key: accountId,
    value: event.data,
    headers: {
      'content-type': 'application/json',
      ...attributes(event.eventId, `${TYPE_PREFIX}${event.type}.v${String(event.version)}`),
      ce_subject: event.stream,
      ...(occurredAt === null ? {} : { ce_time: occurredAt }),
      ce_revision: String(event.revision),
      ...place,
    },
  };
}

function attributes(id: string, type: string) {
  return { ce_specversion: SPEC_VERSION, ce_id: id, ce_source: SOURCE, ce_type: type };
}

/** What a record of ours says; null for a record that is none, such as a foreign producer's. */
export function fromCloudEvent(record: IncomingRecord): PartitionRecord | null {
  const read = (name: string) => textOf(record.headers?.[name]);
  if (read('ce_specversion') !== SPEC_VERSION || read('ce_source') !== SOURCE) return null;
  const position = wholeOf(read('ce_position'));
  const previous = wholeOf(read('ce_previous'));
  if (position === null || previous === null) return null;
  const type = read('ce_type') ?? '';
  if (type === MARK_TYPE) return { event: null, position, previous };
  const event = eventOf(type, position, record.value, read);
  return event && { event, position, previous };
}

function eventOf(
  type: string,
  position: bigint,
  value: Buffer | null,
  read: (name: string) => string | null,
): RecordedEvent | null {
  const [, name, version] = EVENT_TYPE.exec(type) ?? [];
  const eventId = read('ce_id');
  const stream = read('ce_subject');
  const revision = wholeOf(read('ce_revision'));
  const data = textOf(value ?? undefined);
  if (name === undefined || eventId === null || stream === null || revision === null || data === null) return null;
  return { eventId, type: name, version: Number(version), data, stream, revision, position };
}

function wholeOf(text: string | null): bigint | null {
  return text !== null && WHOLE.test(text) ? BigInt(text) : null;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Null for what is absent, given twice, or no UTF-8. */
function textOf(value: Buffer | string | readonly (Buffer | string)[] | undefined): string | null {
  if (typeof value === 'string') return value;
  if (!Buffer.isBuffer(value)) return null;
  try {
    return utf8.decode(value);
  } catch {
    return null;
  }
}
