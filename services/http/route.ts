import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { CallerKey } from '../relay/ports.ts';

/** Who may call: anybody, a signed-in user (JWT), or the holder of an API key. A route without a policy cannot be built. */
export type Policy = 'public' | 'user' | 'apiKey';

/** How errors look: OpenAI's `{error}`, AI Hub's `{success:false,error}`, or plain text for machines such as probes. */
export type Dialect = 'openai' | 'aihub' | 'plain';

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
  readonly headers?: Readonly<Record<string, string>>;
}

interface Place {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Express 5 path. */
  readonly path: string;
  readonly dialect: Dialect;
}

/** A route that reaches no upstream: its body is small, parsed before, and its reply is a value. */
export type Route = Place &
  (
    | { readonly policy: 'public'; handle(call: Call): Promise<Reply> }
    | { readonly policy: 'apiKey'; handle(call: Call, key: CallerKey): Promise<Reply> }
    | { readonly policy: 'user'; handle(call: Call, user: SignedInUser): Promise<Reply> }
  );

/**
 * A route that reaches an upstream. It authenticates, holds, meters and settles by itself, and is matched before
 * Express because Express costs a tenth of what the whole call may.
 */
export interface RelayRoute {
  readonly method: 'POST';
  readonly path: string;
  readonly policy: 'apiKey';
  handle(request: IncomingMessage, response: ServerResponse): void;
}
