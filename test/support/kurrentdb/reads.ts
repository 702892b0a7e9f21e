import { status as code, type handleServerStreamingCall, type ServerWritableStream } from '@grpc/grpc-js';
import { AllSubscription } from './allSubscription.ts';
import { eventFilter } from './eventFilter.ts';
import { failure, invalidPosition, notLeader, streamDeleted } from './failures.ts';
import type { Faults } from './faults.ts';
import { eventResponse, streamName, streamNotFound } from './messages.ts';
import { streams, type ReadReq, type ReadResp } from './protocol.ts';
import { isBefore, placeOf, START, type LogPosition, type StoredEvent, type StoredLog } from './storedLog.ts';

export interface ReadSettings {
  readonly log: StoredLog;
  readonly faults: Faults;
  /** Set on a follower: where calls that require the leader are sent. */
  readonly leader: { readonly host: string; readonly port: number } | null;
  readonly onSubscribe: (after: LogPosition) => void;
}

type Options = NonNullable<ReturnType<ReadReq['getOptions']>>;
type AllOptions = NonNullable<ReturnType<Options['getAll']>>;
type StreamOptions = NonNullable<ReturnType<Options['getStream']>>;
export type ReadCall = ServerWritableStream<ReadReq, ReadResp>;

/** Reads of a stream or of $all, and subscriptions to $all. */
export function read(settings: ReadSettings): handleServerStreamingCall<ReadReq, ReadResp> {
  return (call) => {
    serve(settings, call).catch((error: unknown) => {
      call.emit('error', error);
    });
  };
}

async function serve({ log, faults, leader, onSubscribe }: ReadSettings, call: ReadCall): Promise<void> {
  await faults.gate();
  const options = call.request.getOptions();
  if (!options) throw new Error('a read has options');
  if (leader && call.metadata.get('requires-leader')[0] === 'true') throw notLeader(leader);
  const all = options.getAll();
  const stream = options.getStream();
  if (all) {
    const from = allPosition(all);
    if (from !== 'end' && !log.isRecordBoundary(from.commit)) throw invalidPosition();
    if (options.hasSubscription()) {
      const filter = eventFilter(options.getFilter());
      const after = from === 'end' ? { commit: log.end, prepare: 0n } : from;
      onSubscribe(after);
      await new AllSubscription({ log, faults, call, filter }).run(after);
    } else await send(call, allEvents(log, options, from));
  } else if (stream && !options.hasSubscription()) {
    await sendStream(log, call, options, stream);
  } else throw failure(code.UNIMPLEMENTED, 'only $all can be subscribed to here');
  call.end();
}

function allPosition(all: AllOptions): LogPosition | 'end' {
  const position = all.getPosition();
  if (position) {
    return { commit: BigInt(position.getCommitPosition()), prepare: BigInt(position.getPreparePosition()) };
  }
  return all.hasEnd() ? 'end' : START;
}

/** Forwards a position is inclusive, backwards exclusive. */
function* allEvents(log: StoredLog, options: Options, from: LogPosition | 'end'): Generator<StoredEvent> {
  const { allows } = eventFilter(options.getFilter());
  const forwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.FORWARDS;
  let left = BigInt(options.getCount());
  const first = from === 'end' ? log.events.length : log.indexFrom(from);
  for (let index = forwards ? first : first - 1; left > 0n; index += forwards ? 1 : -1) {
    const event = log.events[index];
    if (!event) return;
    if (!allows(event)) continue;
    if (forwards && from !== 'end' && isBefore(placeOf(event), from)) continue;
    left -= 1n;
    yield event;
  }
}

async function sendStream(log: StoredLog, call: ReadCall, options: Options, stream: StreamOptions): Promise<void> {
  const name = streamName(stream.getStreamIdentifier());
  if (log.isTombstoned(name)) throw streamDeleted(name);
  const present = log.stream(name);
  if (present.length === 0) {
    call.write(streamNotFound(name));
    return;
  }
  const count = Number(options.getCount());
  const last = present.length - 1;
  if (options.getReadDirection() === streams.ReadReq.Options.ReadDirection.FORWARDS) {
    const from = stream.hasRevision() ? Number(stream.getRevision()) : stream.hasEnd() ? last + 1 : 0;
    await send(call, present.slice(from, from + count));
    return;
  }
  const from = stream.hasRevision() ? Math.min(Number(stream.getRevision()), last) : stream.hasStart() ? 0 : last;
  await send(call, present.slice(Math.max(0, from + 1 - count), from + 1).reverse());
}

async function send(call: ReadCall, events: Iterable<StoredEvent>): Promise<void> {
  for (const event of events) {
    if (call.cancelled) return;
    await written(call, eventResponse(event));
  }
}

/** Waits while the client does not read. */
export async function written(call: ReadCall, response: ReadResp): Promise<void> {
  if (call.write(response) || call.cancelled) return;
  await new Promise<void>((resolve) => {
    const go = () => {
      call.off('drain', go).off('cancelled', go).off('close', go);
      resolve();
    };
    call.on('drain', go).on('cancelled', go).on('close', go);
  });
}
