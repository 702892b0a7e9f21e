import type { IncomingHttpHeaders } from 'node:http';

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

/** A management route, served through Express. Relay routes that reach an upstream are in `services/relay/http`. */
export type Route = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly dialect: Dialect;
} & (
  | { readonly policy: 'public' | 'apiKey'; handle(call: Call): Promise<Reply> }
  | { readonly policy: 'user'; handle(call: Call, user: SignedInUser): Promise<Reply> }
);
