import type { IncomingHttpHeaders } from 'node:http';
import type { Dialect } from '../http/route.ts';
import type { KeyPlaces } from './http/presentedKey.ts';
import type { ClientFace, RelayCall } from './call.ts';
import type { CallerKey } from './ports.ts';

/** A request as an operation reads it. */
export interface Incoming {
  readonly requestId: string;
  readonly headers: IncomingHttpHeaders;
  /** Behind the operation's path: `gemini-2.5-flash:generateContent`; empty for most. */
  readonly rest: string;
  readonly query: URLSearchParams;
}

/** One thing that clients can ask of upstreams. The engine does the rest: hold, attempts, metering, settlement. */
export interface Operation {
  /** Exact, or with a `*` at its end for whatever follows. */
  readonly path: string;
  readonly dialect: Dialect;
  readonly keyPlaces: KeyPlaces;
  /** Largest body in bytes, where it differs from the general limit. */
  readonly maxBodyBytes?: number;
  /** Content type of the body; JSON unless stated. */
  readonly bodyType?: 'multipart';
  face(incoming: Incoming): ClientFace;
  /** Throws ApiError. */
  read(raw: Buffer, incoming: Incoming, key: CallerKey): RelayCall | Promise<RelayCall>;
}
