import type { IncomingHttpHeaders } from 'node:http';
import type { ResponseHeaders } from '../call.ts';
import type { Channel, UpstreamFailure } from '../ports.ts';

/** One side's WebSocket, as the relay writes to it. After its close everything here does nothing. */
export interface FrameSocket {
  /** Sends a text frame. False when the other side reads too slowly; `drained` follows once it has caught up. */
  send(frame: Buffer | string): boolean;
  /** Asks the other side to wait. Frames that have been read already still come. */
  pause(): void;
  resume(): void;
  /** Closes in good order, and by force when the other side does not answer soon. `closed` follows. */
  close(code: number, reason: string): void;
}

/** What comes from one side, in its order; `closed` is the last and comes once. */
export interface FrameSink {
  frame(bytes: Buffer, isBinary: boolean): void;
  drained(): void;
  /** The code of the close frame; 1005 for none in it, 1006 for a connection that broke. */
  closed(code: number): void;
}

/** Why an upstream did not open a session. */
export type DialFailure =
  | { readonly kind: 'answered'; readonly status: number; readonly headers: ResponseHeaders; readonly body: string }
  | { readonly kind: 'failed'; readonly failure: UpstreamFailure };

/** Either `opened` and then what comes, or `refused` and nothing more. Never before `dial` has returned. */
export interface UpstreamFrames extends FrameSink {
  opened(): void;
  refused(failure: DialFailure): void;
}

/** Opens realtime sessions at channels. Owns credentials, the time to connect and frame sizes; retries nothing. */
export interface RealtimeUpstream {
  dial(channel: Channel, requestId: string, sink: UpstreamFrames): FrameSocket;
}

/** A client's wish to upgrade its connection. Exactly one of `refuse` and `accept` is called, once. */
export interface Upgrade {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Answers in plain HTTP and closes the connection. */
  refuse(status: number, headers: Readonly<Record<string, string>>, body: string): void;
  /** Null when the client has left meanwhile; the sink hears nothing then. */
  accept(headers: Readonly<Record<string, string>>, sink: FrameSink): FrameSocket | null;
}
