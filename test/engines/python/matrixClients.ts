import { claude } from '../../e2e/matrix/clients/claude.ts';
import type { DialectClient, Failure, Heard, Target, Wish } from '../../e2e/matrix/clients/client.ts';
import { openaiChat } from '../../e2e/matrix/clients/openaiChat.ts';
import { openaiResponses } from '../../e2e/matrix/clients/openaiResponses.ts';
import type { Protocol } from '../../../services/relay/ports.ts';
import type { Vendor } from '../../support/vendors/vendor.ts';
import type { PythonLines } from './pythonLines.ts';

/** Of the npm client that speaks the same dialect only what it knows of that is asked, never the client itself. */
const NOWHERE: Target = { baseUrl: 'http://127.0.0.1:9', key: 'none' };

export const PROGRAMS = { openai: 'openaiMatrix.py', anthropic: 'anthropicMatrix.py' } as const;
export type Sdk = keyof typeof PROGRAMS;

interface Dialect {
  readonly sdk: Sdk;
  /** The program's name for it. */
  readonly name: string;
  readonly like: DialectClient;
  readonly broken: Broken;
}

/** What the SDK raises within a stream. */
interface Broken {
  readonly kind: string;
  readonly status: number | null;
  /** By what has become of the vendor. */
  readonly code: { readonly failed: string; readonly overloaded: string };
}

const BROKEN_OPENAI: Broken = {
  kind: 'APIError',
  status: null,
  code: { failed: 'bad_gateway', overloaded: 'service_unavailable' },
};

export const DIALECTS: readonly Dialect[] = [
  { sdk: 'openai', name: 'chat', like: openaiChat(NOWHERE), broken: BROKEN_OPENAI },
  { sdk: 'openai', name: 'responses', like: openaiResponses(NOWHERE), broken: BROKEN_OPENAI },
  {
    sdk: 'anthropic',
    name: 'messages',
    like: claude(NOWHERE),
    // The status is that of the stream, which began well.
    broken: { kind: 'APIStatusError', status: 200, code: { failed: 'api_error', overloaded: 'overloaded_error' } },
  },
];

/** What the vendors' broken streams say of themselves. */
const OVERLOADED: ReadonlySet<Protocol> = new Set(['claude', 'gemini']);

/** What an SDK has raised, as its program has told it. */
class Raised extends Error {
  override readonly name = 'Raised';
  readonly failure: Failure;
  readonly body: unknown;

  constructor({ message, body, ...failure }: RaisedFailure) {
    super(message);
    this.failure = failure;
    this.body = body;
  }
}

type RaisedFailure = Failure & { readonly message: string; readonly body: unknown };

type Told =
  | { readonly heard: Heard }
  | { readonly left: string }
  | { readonly failure: RaisedFailure }
  | { readonly bug: string };

/** A dialect by its official Python client, for the models of one vendor; `linesOf`: where the program of an SDK listens. */
export function pythonClient(
  { sdk, name, like, broken }: Dialect,
  { protocol }: Vendor,
  linesOf: (sdk: Sdk) => PythonLines,
): DialectClient {
  const code = broken.code[OVERLOADED.has(protocol) ? 'overloaded' : 'failed'];
  const tell = async (wish: Wish, pieces: number): Promise<Told> => {
    const told = (await linesOf(sdk).ask({ dialect: name, wish, pieces })) as Told;
    if ('failure' in told) throw new Raised(told.failure);
    return told;
  };
  return {
    ...like,
    name: `python ${like.name}`,
    failures: { ...like.failures, stream: { ...broken, code, retryAfter: null } },
    async ask(wish) {
      const told = await tell(wish, 0);
      if ('heard' in told) return told.heard;
      throw new Error(`not an answer: ${JSON.stringify(told)}`);
    },
    async leave(wish, pieces) {
      const told = await tell(wish, pieces);
      if ('left' in told) return told.left;
      throw new Error(`not what was heard: ${JSON.stringify(told)}`);
    },
    failureOf(error) {
      if (error instanceof Raised) return error.failure;
      throw error;
    },
  };
}
