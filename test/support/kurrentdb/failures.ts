import { Metadata, status as code, type ServiceError } from '@grpc/grpc-js';

/** A failure as the server tells it: a status, and in the trailers what kind it is. */
export function failure(status: code, details: string, trailers: Readonly<Record<string, string>> = {}): ServiceError {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return Object.assign(new Error(details), { code: status, details, metadata });
}

export function streamDeleted(stream: string): ServiceError {
  const trailers = { exception: 'stream-deleted', 'stream-name': stream };
  return failure(code.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, trailers);
}

export function maximumAppendSizeExceeded(bytes: number): ServiceError {
  const trailers = { exception: 'maximum-append-size-exceeded', 'maximum-append-size': String(bytes) };
  return failure(code.INVALID_ARGUMENT, `Maximum Append Size of ${String(bytes)} Exceeded.`, trailers);
}

export function invalidPosition(): ServiceError {
  return failure(code.INVALID_ARGUMENT, 'Trying to read from an invalid position.');
}

export function notLeader({ host, port }: { readonly host: string; readonly port: number }): ServiceError {
  const endpoint = { 'leader-endpoint-host': host, 'leader-endpoint-port': String(port) };
  return failure(code.NOT_FOUND, 'Leader info available', { exception: 'not-leader', ...endpoint });
}
