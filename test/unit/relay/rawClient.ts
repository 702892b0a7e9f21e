import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { vi } from 'vitest';

/** A client that speaks HTTP by hand, so that it can do what libraries would not. */
export class RawClient {
  readonly socket: Socket;
  #received = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    // What happens to the connection is asked of `socket.closed`; a reset is no failure of the test.
    socket.on('error', () => undefined);
  }

  /** Connects, and reads unless told not to. */
  static async to(port: number, options: { readonly reading?: boolean } = {}): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    const client = new RawClient(socket);
    if (options.reading ?? true) client.read();
    return client;
  }

  get received(): string {
    return this.#received;
  }

  read(): void {
    this.socket.setEncoding('utf8');
    this.socket.on('data', (text: string) => {
      this.#received += text;
    });
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  post(path: string, body: string | Buffer, headers = 'content-type: application/json\r\n'): void {
    const length = String(Buffer.byteLength(body));
    this.send(`POST ${path} HTTP/1.1\r\nhost: relay\r\n${headers}content-length: ${length}\r\n\r\n`);
    this.send(body);
  }

  /** Waits until the text has been received; returns everything so far. */
  async until(text: string): Promise<string> {
    await vi.waitFor(
      () => {
        if (!this.#received.includes(text)) throw new Error(`not yet ${text} in ${this.#received.slice(-500)}`);
      },
      { timeout: 5_000, interval: 5 },
    );
    return this.#received;
  }

  /** Waits until the other side has ended or closed the connection. */
  async closed(): Promise<string> {
    await vi.waitFor(
      () => {
        if (!this.socket.readableEnded && !this.socket.closed) throw new Error('still open');
      },
      { timeout: 5_000, interval: 5 },
    );
    return this.#received;
  }
}

/** The parts of the first answer in a text. */
export function httpAnswer(received: string): { status: number; headers: Record<string, string>; body: string } {
  const [head = '', ...rest] = received.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => line.split(/: ?(.*)/s, 2) as [string, string]);
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    body: rest.join('\r\n\r\n'),
  };
}
