import OpenAI from 'openai';

export const MODEL = 'tallystick-sim';

/** What went over the wire in one HTTP exchange of the SDK. */
export interface Exchange {
  readonly method: string;
  readonly status: number;
  readonly headers: Headers;
}

export interface RecordingClient {
  readonly client: OpenAI;
  /** Every HTTP exchange, retries included. */
  readonly exchanges: readonly Exchange[];
}

/** The official SDK as its users construct it. It never retries unless told to. */
export function openai(baseUrl: string, apiKey: string, options: ConstructorParameters<typeof OpenAI>[0] = {}): OpenAI {
  return new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey, maxRetries: 0, timeout: 20_000, ...options });
}

/** The SDK over a `fetch` that remembers what it did and may change what is sent. */
export function recordingClient(
  baseUrl: string,
  apiKey: string,
  options: ConstructorParameters<typeof OpenAI>[0] = {},
  change: (init: RequestInit) => RequestInit = (init) => init,
): RecordingClient {
  const exchanges: Exchange[] = [];
  const recording = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(input, change(init));
    exchanges.push({ method: init.method ?? 'GET', status: response.status, headers: response.headers });
    return response;
  };
  return { client: openai(baseUrl, apiKey, { ...options, fetch: recording }), exchanges };
}

export function saying(content: string) {
  return { model: MODEL, messages: [{ role: 'user' as const, content }] };
}

/** Picos of tokens at the prices of `tallystick-sim`: 2.50, 1.25, 10.00 and 12.00 USD per million. */
export function simulatedPrice(tokens: {
  readonly uncachedInput: number;
  readonly cacheRead?: number;
  readonly outputText: number;
  readonly reasoning?: number;
}): bigint {
  return (
    BigInt(tokens.uncachedInput) * 2_500_000n +
    BigInt(tokens.cacheRead ?? 0) * 1_250_000n +
    BigInt(tokens.outputText) * 10_000_000n +
    BigInt(tokens.reasoning ?? 0) * 12_000_000n
  );
}
