/** What a service answered to a sample. */
export interface Answered<Body = Readonly<Record<string, unknown>>> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as JSON; null when it is none. */
  readonly body: Body;
}

/** Sends a request that is written as HTTP has it: a line with method and path, headers, an empty line, the body. */
export async function send<Body = Readonly<Record<string, unknown>>>(
  baseUrl: string,
  request: string,
): Promise<Answered<Body>> {
  const [head = '', body] = request.split(/\n\n([^]*)/);
  const [line = '', ...headerLines] = head.trim().split('\n');
  const [method = '', path = ''] = line.split(' ');
  const headers = new Headers(headerLines.map((each) => each.split(/: (.*)/, 2) as [string, string]));
  const response = await fetch(baseUrl + path, { method, headers, ...(body !== undefined && { body }) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) as Body };
}

/** The payloads of a stream of server-sent events, each a JSON value but the last, which is its end. */
export function chunksOf(stream: string): readonly unknown[] {
  const payloads = stream.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []));
  if (payloads.at(-1) !== '[DONE]') throw new Error(`a stream without its end: ${stream}`);
  return payloads.slice(0, -1).map((payload) => JSON.parse(payload) as unknown);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
