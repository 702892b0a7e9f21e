import { retryAfterIn, type Failure, type Target } from './client.ts';

/** A failure that a documented client without an SDK would see. */
export class HttpFailure extends Error {
  /** Null inside a stream. */
  readonly status: number | null;
  readonly body: Readonly<Record<string, unknown>>;
  readonly retryAfter: number | null;

  constructor(status: number | null, body: Readonly<Record<string, unknown>>, headers?: Headers) {
    super(`HTTP ${String(status)}: ${JSON.stringify(body)}`);
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfterIn(headers);
  }
}

/** `codeOf`: where the dialect has its code. */
export function httpFailure(error: unknown, codeOf: (body: HttpFailure['body']) => unknown): Failure {
  if (!(error instanceof HttpFailure)) throw error;
  const { status, body, retryAfter } = error;
  const code = codeOf(body);
  return { kind: 'fetch', status, code: typeof code === 'string' ? code : null, retryAfter };
}

export interface Posting {
  readonly path: string;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Rejects with HttpFailure for anything but a 2xx. */
export async function post({ baseUrl, key }: Target, posting: Posting): Promise<Response> {
  const response = await fetch(`${baseUrl}${posting.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...posting.headers },
    body: JSON.stringify(posting.body),
    ...(posting.signal && { signal: posting.signal }),
  });
  if (response.ok) return response;
  throw new HttpFailure(response.status, (await response.json()) as HttpFailure['body'], response.headers);
}

/** JSON values of a stream, one per line; `prefix` stands before each, and `[DONE]` is none of them. */
export async function* linesOf<T>(response: Response, prefix: '' | 'data: '): AsyncGenerator<T> {
  const type = response.headers.get('content-type') ?? '';
  const wanted = prefix === '' ? 'application/x-ndjson' : 'text/event-stream';
  if (!type.startsWith(wanted)) throw new Error(`the stream has the type ${type}`);
  if (!response.body) throw new Error('the stream has no body');
  let rest = '';
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '' || line.startsWith(':') || line === 'data: [DONE]') continue;
      if (!line.startsWith(prefix)) throw new Error(`not a line of this stream: ${line}`);
      yield JSON.parse(line.slice(prefix.length)) as T;
    }
  }
  if (rest !== '') throw new Error(`the stream ends within a line: ${rest}`);
}
