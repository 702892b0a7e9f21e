import type { handleBidiStreamingCall, handleClientStreamingCall, ServerDuplexStream } from '@grpc/grpc-js';
import { maximumAppendSizeExceeded, streamDeleted } from './failures.ts';
import type { Faults } from './faults.ts';
import { identifierOf, proposedEvent, streamName, uuidText } from './messages.ts';
import {
  any,
  code,
  empty,
  shared,
  status,
  streams,
  type AppendReq,
  type AppendResp,
  type BatchAppendReq,
  type BatchAppendResp,
} from './protocol.ts';
import type { ExpectedState, ProposedEvent, StoredLog, WriteResult } from './storedLog.ts';

/** What the server that applies appends is told by its tests. */
export interface AppendSettings {
  readonly log: StoredLog;
  readonly faults: Faults;
  readonly maxAppendBytes: number;
  /** Ends every connection at once, as a crash does. */
  readonly cut: () => void;
}

interface PendingWrite {
  readonly stream: string;
  readonly expected: ExpectedState;
  readonly events: ProposedEvent[];
}

type Code = (typeof code.Code)[keyof typeof code.Code];
const { ALREADY_EXISTS, INVALID_ARGUMENT, FAILED_PRECONDITION } = code.Code;

/** One append per call: the options first, then the events; answered when the client has sent them all. */
export function unaryAppend({
  log,
  faults,
  maxAppendBytes,
  cut,
}: AppendSettings): handleClientStreamingCall<AppendReq, AppendResp> {
  return (call, answer) => {
    const work = async () => {
      let write: PendingWrite | null = null;
      for await (const request of call as AsyncIterable<AppendReq>) {
        await faults.gate();
        const options = request.getOptions();
        if (options) {
          write = { stream: streamName(options.getStreamIdentifier()), expected: unaryExpected(options), events: [] };
        }
        const message = request.getProposedMessage();
        if (message) write?.events.push(proposedEvent(message));
      }
      if (!write) throw new Error('an append begins with its options');
      if (bytesOf(write.events) > maxAppendBytes) {
        answer(maximumAppendSizeExceeded(maxAppendBytes));
        return;
      }
      const result = log.write(write.stream, write.expected, write.events);
      const answering = faults.nextAnswer();
      if (answering === 'cut') cut();
      if (answering !== 'sent') return;
      if (result.outcome === 'deleted') answer(streamDeleted(write.stream));
      else answer(null, unaryResponse(result, write.expected));
    };
    work().catch(() => undefined);
  };
}

/** Many appends on one stream of requests, each in parts of which the last is marked, answered in any order by their id. */
export function batchAppend(settings: AppendSettings): handleBidiStreamingCall<BatchAppendReq, BatchAppendResp> {
  return (call) => {
    new BatchAppends(settings, call).work().catch(() => undefined);
  };
}

class BatchAppends {
  readonly #settings: AppendSettings;
  readonly #call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>;
  readonly #pending = new Map<string, PendingWrite>();

  constructor(settings: AppendSettings, call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) {
    this.#settings = settings;
    this.#call = call;
  }

  async work(): Promise<void> {
    for await (const request of this.#call as AsyncIterable<BatchAppendReq>) {
      await this.#settings.faults.gate();
      this.#take(request);
    }
    this.#call.end();
  }

  #take(request: BatchAppendReq): void {
    const correlationId = uuidText(request.getCorrelationId());
    const options = request.getOptions();
    if (options) {
      const stream = streamName(options.getStreamIdentifier());
      this.#pending.set(correlationId, { stream, expected: batchExpected(options), events: [] });
    }
    const write = this.#pending.get(correlationId);
    if (!write) return;
    write.events.push(...request.getProposedMessagesList().map(proposedEvent));
    if (bytesOf(write.events) > this.#settings.maxAppendBytes) {
      this.#pending.delete(correlationId);
      this.#answer(request, write, tooLarge(this.#settings.maxAppendBytes));
      return;
    }
    if (!request.getIsFinal()) return;
    this.#pending.delete(correlationId);
    const { log, faults, cut } = this.#settings;
    const response = batchResponse(log.write(write.stream, write.expected, write.events), write);
    const answering = faults.nextAnswer();
    if (answering === 'cut') cut();
    if (answering === 'sent') this.#answer(request, write, response);
  }

  #answer(request: BatchAppendReq, { stream }: PendingWrite, response: BatchAppendResp): void {
    response.setCorrelationId(request.getCorrelationId()).setStreamIdentifier(identifierOf(stream));
    if (!this.#call.cancelled) this.#call.write(response);
  }
}

function unaryExpected(options: NonNullable<ReturnType<AppendReq['getOptions']>>): ExpectedState {
  if (options.hasRevision()) return BigInt(options.getRevision());
  if (options.hasNoStream()) return 'no_stream';
  return options.hasStreamExists() ? 'stream_exists' : 'any';
}

function batchExpected(options: NonNullable<ReturnType<BatchAppendReq['getOptions']>>): ExpectedState {
  if (options.hasStreamPosition()) return BigInt(options.getStreamPosition());
  if (options.hasNoStream()) return 'no_stream';
  return options.hasStreamExists() ? 'stream_exists' : 'any';
}

function unaryResponse(result: Exclude<WriteResult, { outcome: 'deleted' }>, expected: ExpectedState): AppendResp {
  const response = new streams.AppendResp();
  if (result.outcome === 'wrong_expected_version') {
    const wrong = new streams.AppendResp.WrongExpectedVersion();
    if (result.current === null) wrong.setCurrentNoStream(new shared.Empty());
    else wrong.setCurrentRevision(String(result.current));
    if (typeof expected === 'bigint') wrong.setExpectedRevision(String(expected));
    else if (expected === 'no_stream') wrong.setExpectedNoStream(new shared.Empty());
    else if (expected === 'stream_exists') wrong.setExpectedStreamExists(new shared.Empty());
    else wrong.setExpectedAny(new shared.Empty());
    return response.setWrongExpectedVersion(wrong);
  }
  const success = new streams.AppendResp.Success().setCurrentRevision(String(result.revision));
  if (result.position === null) success.setNoPosition(new shared.Empty());
  else {
    const position = String(result.position);
    success.setPosition(new streams.AppendResp.Position().setCommitPosition(position).setPreparePosition(position));
  }
  return response.setSuccess(success);
}

function batchResponse(result: WriteResult, { expected }: PendingWrite): BatchAppendResp {
  const response = new streams.BatchAppendResp();
  if (result.outcome === 'deleted') {
    return failed(FAILED_PRECONDITION, 'StreamDeleted', 'StreamDeleted', new shared.StreamDeleted().serializeBinary());
  }
  if (result.outcome === 'wrong_expected_version') {
    const wrong = new shared.WrongExpectedVersion();
    if (result.current === null) wrong.setCurrentNoStream(new empty.Empty());
    else wrong.setCurrentStreamRevision(String(result.current));
    if (typeof expected === 'bigint') wrong.setExpectedStreamPosition(String(expected));
    else if (expected === 'no_stream') wrong.setExpectedNoStream(new empty.Empty());
    else if (expected === 'stream_exists') wrong.setExpectedStreamExists(new empty.Empty());
    else wrong.setExpectedAny(new empty.Empty());
    return failed(ALREADY_EXISTS, 'WrongExpectedVersion', 'WrongExpectedVersion', wrong.serializeBinary());
  }
  const success = new streams.BatchAppendResp.Success().setCurrentRevision(String(result.revision));
  if (result.position === null) success.setNoPosition(new empty.Empty());
  else {
    const position = String(result.position);
    success.setPosition(new shared.AllStreamPosition().setCommitPosition(position).setPreparePosition(position));
  }
  return response.setSuccess(success);
}

function tooLarge(maxAppendBytes: number): BatchAppendResp {
  const details = new shared.MaximumAppendSizeExceeded().setMaxappendsize(maxAppendBytes).serializeBinary();
  return failed(INVALID_ARGUMENT, 'Maximum Append Size Exceeded', 'MaximumAppendSizeExceeded', details);
}

function failed(kind: Code, message: string, typeName: string, details: Uint8Array): BatchAppendResp {
  const packed = new any.Any();
  packed.pack(details, `event_store.client.${typeName}`);
  return new streams.BatchAppendResp().setError(
    new status.Status().setCode(kind).setMessage(message).setDetails(packed),
  );
}

/** Sizes count as on the disk: the type in UTF-16, the rest as it is. */
function bytesOf(events: readonly ProposedEvent[]): number {
  let bytes = 0;
  for (const { type, data, metadata } of events) bytes += 2 * type.length + data.length + metadata.length;
  return bytes;
}
