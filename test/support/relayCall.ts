import { once } from 'node:events';
import { request as send, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { parsePicos, type Picos } from '../../events/money.ts';

/** What a client knows when its call is over, however it ended. */
export interface Seen {
  /** Null when no answer began. */
  readonly status: number | null;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Null when no answer began. */
  readonly requestId: string | null;
  readonly body: string;
  /** A whole JSON body, or a stream up to its `[DONE]`. */
  readonly complete: boolean;
  /** What the relay said the call costs; null where it said nothing. */
  readonly picos: Picos | null;
  /** The code of an error, in the body or in the stream. */
  readonly code: string | null;
  /** What the socket said when it broke. */
  readonly broke: Error | null;
}

export interface Caller {
  readonly baseUrl: string;
  readonly key: string;
  readonly agent?: Agent;
}

/** One call of the relay on a real socket, which a test can follow chunk by chunk and leave in any way a client can. */
export class RelayCall {
  /** Resolves when the call is over for the client; never rejects. */
  readonly seen: Promise<Seen>;
  readonly #request: ClientRequest;
  #response: IncomingMessage | null = null;
  #body = '';
  #broke: Error | null = null;
  #waiting: (() => void)[] = [];
  #over = false;

  constructor({ baseUrl, key, agent }: Caller, body: object) {
    const text = JSON.stringify(body);
    this.#request = send(`${baseUrl}/v1/chat/completions`, {
      method: 'POST',
      ...(agent ? { agent } : { agent: false }),
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      },
    });
    this.seen = new Promise((resolve) => this.#follow(() => resolve(this.#summary())));
    this.#request.end(text);
  }

  /** The relay's id of the call; null before the answer begins. */
  get requestId(): string | null {
    const id = this.#response?.headers['x-request-id'];
    return typeof id === 'string' ? id : null;
  }

  /** Chunks of content that have arrived. */
  get chunks(): number {
    return this.#body.split('"content":"').length - 1;
  }

  /** Resolves when so many chunks of content have arrived; rejects when the call is over before. */
  async received(chunks: number): Promise<void> {
    while (this.chunks < chunks) {
      if (this.#over)
        throw new Error(`the call ended after ${String(this.chunks)} chunks: ${this.#body.slice(0, 300)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Resolves when the head of the answer is there. */
  async answered(): Promise<void> {
    while (!this.#response && !this.#over) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Ends our side in good order (FIN) and listens on. */
  async fin(): Promise<void> {
    (await this.#socket()).end();
  }

  /** Closes the socket at once, as a process that ends does. */
  async close(): Promise<void> {
    (await this.#socket()).destroy();
  }

  /** Closes the connection with RST. */
  async reset(): Promise<void> {
    (await this.#socket()).resetAndDestroy();
  }

  /** Stays connected and reads no further. */
  async stopReading(): Promise<void> {
    this.#response?.pause();
    (await this.#socket()).pause();
  }

  async #socket(): Promise<Socket> {
    if (!this.#request.socket) await once(this.#request, 'socket');
    const { socket } = this.#request;
    if (!socket) throw new Error('the call has no socket');
    if (socket.connecting) await once(socket, 'connect');
    return socket;
  }

  #follow(over: () => void): void {
    const end = () => {
      if (this.#over) return;
      this.#over = true;
      this.#wake();
      over();
    };
    const broken = (error: Error) => (this.#broke ??= error);
    this.#request.on('error', broken);
    this.#request.on('close', () => {
      if (!this.#response) end();
    });
    this.#request.on('response', (response) => {
      this.#response = response;
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        this.#body += text;
        this.#wake();
      });
      response.on('error', broken);
      response.on('close', end);
      this.#wake();
    });
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }

  #summary(): Seen {
    const response = this.#response;
    const headers = response?.headers ?? {};
    const streamed = headers['content-type']?.startsWith('text/event-stream') ?? false;
    return {
      status: response?.statusCode ?? null,
      headers,
      requestId: this.requestId,
      body: this.#body,
      complete: streamed ? this.#body.includes('data: [DONE]\n\n') : (response?.complete ?? false),
      picos: costOf(streamed ? /"cost":([\d.]+)/.exec(this.#body)?.[1] : headers['x-tallystick-cost']),
      code: /"error":\{[^}]*"code":"(\w+)"/.exec(this.#body)?.[1] ?? null,
      broke: this.#broke,
    };
  }
}

function costOf(text: string | string[] | undefined): Picos | null {
  return typeof text === 'string' ? parsePicos(text) : null;
}
