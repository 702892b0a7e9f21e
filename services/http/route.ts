import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { KeyPlaces } from '../relay/http/presentedKey.ts';
import type { CallerKey } from '../relay/ports.ts';

/**
 * Who may call: anybody, a signed-in user (JWT), one of these who is an administrator, or the holder of an API key. A
 * route without a policy cannot be built.
 */
export type Policy = 'public' | 'user' | 'admin' | 'apiKey';

/** Whose clients call, and so how errors look (`renderError`). `plain` is for machines such as probes. */
export type Dialect = 'openai' | 'claude' | 'gemini' | 'ollama' | 'aihub' | 'gateway' | 'plain';

export interface SignedInUser {
  readonly userId: string;
  readonly accounts: { readonly live: string; readonly test: string };
}

export interface Call {
  readonly requestId: string;
  readonly headers: IncomingHttpHeaders;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Parsed JSON, undefined when there was no body. */
  readonly body: unknown;
  readonly remoteAddress: string;
}

export interface Reply {
  readonly status: number;
  readonly body: unknown;
  /** Bytes in place of a body, sent as the client takes them. */
  readonly download?: AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Place {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Express 5 path. */
  readonly path: string;
  /** Some paths are shared by several kinds of clients, who are told apart by what they send. */
  readonly dialect: Dialect | ((call: Pick<Call, 'headers' | 'query'>) => Dialect);
}

/** A route that reaches no upstream: its body is small, parsed before, and its reply is a value. */
export type Route = Place &
  (
    | { readonly policy: 'public'; handle(call: Call): Promise<Reply> }
    | {
        readonly policy: 'apiKey';
        readonly keyPlaces?: KeyPlaces;
        handle(call: Call, key: CallerKey): Promise<Reply>;
      }
    | { readonly policy: 'user'; handle(call: Call, user: SignedInUser): Promise<Reply> }
    | { readonly policy: 'admin'; handle(call: Call, admin: SignedInUser): Promise<Reply> }
  );

/**
 * A route with a body of its own size. It authenticates, and where it reaches an upstream it holds, meters and settles,
 * by itself. It is matched before Express, which costs a tenth of what the whole call may.
 */
export interface RelayRoute {
  readonly method: 'POST';
  /** Exact, or with a `*` at its end for whatever follows. */
  readonly path: string;
  readonly dialect: Dialect;
  readonly policy: 'apiKey';
  handle(request: IncomingMessage, response: ServerResponse): void;
}
