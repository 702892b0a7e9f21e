import { Kafka as CloudEventsKafka, type CloudEvent } from 'cloudevents';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { envelopeIn, NO_ACCOUNT } from '../../../events/envelopeIn.ts';
import type { PartitionRecord } from '../../../events/distributionLog.ts';
import { fromCloudEvent, toCloudEvent, type OutgoingRecord } from '../../../infra/kafka/cloudEvents.ts';
import { anyPartitionRecord, anyRecordedEvent, exampleData } from '../../support/distribution.ts';

/** As the broker gives it back: bytes. */
const received = ({ value, headers }: OutgoingRecord) => ({
  value: value === null ? null : Buffer.from(value),
  headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
});

/** As the official package takes it: it wants some value, and text. */
function judged({ key, value, headers }: OutgoingRecord) {
  const message = { key: key ?? '', value: value ?? ' ', body: value ?? ' ', headers: { ...headers } };
  return CloudEventsKafka.toEvent(message);
}

const example: PartitionRecord = {
  event: {
    eventId: '7f1c1f0e-5b7a-5d0e-8f6e-2f1c4a9d3b11',
    type: 'RequestAccepted',
    version: 2,
    data: exampleData('7f1c1f0e-5b7a-5d0e-8f6e-2f1c4a9d3b11', 'acct_1', 'ü'),
    stream: 'request-1',
    revision: 0n,
    position: 42n,
  },
  position: 42n,
  previous: 17n,
};

describe('A record of the distribution log', () => {
  it('is a CloudEvent in binary mode whose key is the account', () => {
    expect(toCloudEvent(3, example)).toEqual({
      key: 'acct_1',
      value: example.event?.data,
      headers: {
        'content-type': 'application/json',
        ce_specversion: '1.0',
        ce_id: '7f1c1f0e-5b7a-5d0e-8f6e-2f1c4a9d3b11',
        ce_source: 'urn:tallystick:events',
        ce_type: 'io.tallystick.RequestAccepted.v2',
        ce_subject: 'request-1',
        ce_time: '2026-11-20T09:30:00.000Z',
        ce_revision: '0',
        ce_position: '42',
        ce_previous: '17',
      },
    });
  });

  it('is a valid CloudEvent to the official package, with our attributes as extensions', () => {
    const event = judged(toCloudEvent(3, example)) as CloudEvent<unknown>;
    expect(event.validate()).toBe(true);
    expect(event.toJSON()).toMatchObject({
      specversion: '1.0',
      id: example.event?.eventId,
      source: 'urn:tallystick:events',
      type: 'io.tallystick.RequestAccepted.v2',
      subject: 'request-1',
      time: '2026-11-20T09:30:00.000Z',
      datacontenttype: 'application/json',
      revision: '0',
      position: '42',
      previous: '17',
      partitionkey: 'acct_1',
      data: { accountId: 'acct_1', note: 'ü' },
    });
  });

  it('says as a mark that it is one, by a type that no event can have', () => {
    const mark = toCloudEvent(3, { event: null, position: 50n, previous: 42n });
    expect(mark).toEqual({
      key: null,
      value: null,
      headers: {
        ce_specversion: '1.0',
        ce_id: 'mark-3-50',
        ce_source: 'urn:tallystick:events',
        ce_type: 'io.tallystick.mark',
        ce_position: '50',
        ce_previous: '42',
      },
    });
    expect((judged(mark) as CloudEvent<unknown>).validate()).toBe(true);
  });

  it('gives back exactly what went in, whatever the store held', () => {
    fc.assert(
      fc.property(anyPartitionRecord, fc.nat(999), (record, partition) => {
        expect(fromCloudEvent(received(toCloudEvent(partition, record)))).toEqual(record);
      }),
    );
  });

  it('is the same each time, and has only names that CloudEvents allow', () => {
    fc.assert(
      fc.property(anyPartitionRecord, (record) => {
        const outgoing = toCloudEvent(1, record);
        expect(toCloudEvent(1, structuredClone(record))).toEqual(outgoing);
        for (const name of Object.keys(outgoing.headers)) expect(name).toMatch(/^(content-type|ce_[a-z0-9]{1,20})$/);
        for (const value of Object.values(outgoing.headers)) expect(value).not.toBe('');
      }),
    );
  });

  it('is refused when anything in it is missing, doubled or damaged', () => {
    const good = received(toCloudEvent(1, example));
    for (const name of Object.keys(good.headers)) {
      if (name === 'content-type' || name === 'ce_time') continue;
      const others = { ...good.headers };
      Reflect.deleteProperty(others, name);
      const value = good.headers[name] ?? Buffer.alloc(0);
      expect(fromCloudEvent({ ...good, headers: others }), `without ${name}`).toBeNull();
      expect(fromCloudEvent({ ...good, headers: { ...others, [name]: [value, value] } }), `two ${name}`).toBeNull();
      expect(fromCloudEvent({ ...good, headers: { ...others, [name]: Buffer.from([0xff]) } }), name).toBeNull();
    }
    expect(fromCloudEvent({ ...good, value: null })).toBeNull();
    expect(fromCloudEvent({ ...good, value: Buffer.from([0xc3, 0x28]) })).toBeNull();
    expect(fromCloudEvent({ value: Buffer.from('{}') })).toBeNull();
  });
});

describe('Stored bytes', () => {
  it('tell their account and time, or that they name none', () => {
    expect(envelopeIn(exampleData('id', 'acct_9'))).toEqual({
      accountId: 'acct_9',
      occurredAt: '2026-11-20T09:30:00.000Z',
    });
    expect(envelopeIn('{"a":1}')).toEqual({ accountId: NO_ACCOUNT, occurredAt: null });
    expect(envelopeIn('null')).toEqual({ accountId: NO_ACCOUNT, occurredAt: null });
    expect(envelopeIn('{"accountId":"Not One","occurredAt":"today"}')).toEqual({
      accountId: NO_ACCOUNT,
      occurredAt: null,
    });
    expect(envelopeIn('{"accountId":"acct_1","broken')).toEqual({ accountId: 'acct_1', occurredAt: null });
  });

  it('never make reading them fail', () => {
    fc.assert(fc.property(anyRecordedEvent, ({ data }) => envelopeIn(data).accountId.length > 0));
  });
});
