import { connect, type Socket } from 'node:net';

export interface LoadResult {
  readonly completed: number;
  readonly notOk: number;
  readonly seconds: number;
  /** Milliseconds per call, sorted. */
  readonly latencies: readonly number[];
}

export interface Target {
  readonly port: number;
  readonly path: string;
  readonly body: string;
  /** One connection uses the keys in turn. */
  readonly keys: readonly string[];
}

/** Raw bytes of a call: the generator shares its core with the upstream and the database, so it must cost little. */
function requestBytes(target: Target, index: number): Buffer {
  const key = target.keys[index % target.keys.length] ?? 'none';
  return Buffer.from(
    `POST ${target.path} HTTP/1.1\r\nhost: 127.0.0.1:${String(target.port)}\r\ncontent-type: application/json\r\n` +
      `authorization: Bearer ${key}\r\ncontent-length: ${String(Buffer.byteLength(target.body))}\r\n\r\n${target.body}`,
  );
}

/** A closed loop of `connections` keep-alive connections for `seconds`, each with one call in flight. */
export async function runLoad(target: Target, connections: number, seconds: number): Promise<LoadResult> {
  const started = performance.now();
  const until = started + seconds * 1_000;
  const latencies: number[] = [];
  let notOk = 0;
  const lane = async (index: number) => {
    const client = await Connection.open(target.port);
    const bytes = requestBytes(target, index);
    while (performance.now() < until) {
      const sent = performance.now();
      const status = await client.call(bytes);
      if (status === 200) latencies.push(performance.now() - sent);
      else notOk += 1;
    }
    client.close();
  };
  await Promise.all(Array.from({ length: connections }, (_, index) => lane(index)));
  const elapsed = (performance.now() - started) / 1_000;
  return {
    completed: latencies.length,
    notOk,
    seconds: elapsed,
    latencies: latencies.sort((left, right) => left - right),
  };
}

/** One call at a time at a fixed pace; for added latency at low load. */
export async function runPaced(
  targets: readonly Target[],
  perSecond: number,
  calls: number,
): Promise<readonly number[][]> {
  const clients = await Promise.all(targets.map((target) => Connection.open(target.port)));
  const latencies = targets.map((): number[] => []);
  for (let call = 0; call < calls; call += 1) {
    // Rotating the order keeps one target from always being the first after the pause.
    for (let turn = 0; turn < targets.length; turn += 1) {
      const which = (call + turn) % targets.length;
      const target = targets[which];
      const client = clients[which];
      if (!target || !client) continue;
      const due = new Promise((resolve) => setTimeout(resolve, 1_000 / perSecond / targets.length));
      const bytes = requestBytes(target, call);
      const sent = performance.now();
      const status = await client.call(bytes);
      latencies[which]?.push(performance.now() - sent);
      if (status !== 200) throw new Error(`status ${String(status)} at low load`);
      await due;
    }
  }
  for (const client of clients) client.close();
  return latencies.map((each) => each.sort((left, right) => left - right));
}

/** Calls begun at an even rate, however long each takes, on as many keep-alive connections as that needs. Throws unless all are answered with 200. */
export async function runAtRate(target: Target, perSecond: number, seconds: number): Promise<void> {
  const free: Connection[] = [];
  const calls: Promise<void>[] = [];
  const started = performance.now();
  const one = async (number: number): Promise<void> => {
    const client = free.pop() ?? (await Connection.open(target.port));
    const status = await client.call(requestBytes(target, number));
    if (status !== 200) throw new Error(`status ${String(status)} at ${String(perSecond)} calls/s`);
    free.push(client);
  };
  while (calls.length < perSecond * seconds) {
    const due = ((performance.now() - started) / 1_000) * perSecond;
    while (calls.length < due) calls.push(one(calls.length));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(calls);
  for (const client of free) client.close();
}

/** One keep-alive connection that understands just enough HTTP/1.1 to see where an answer ends. */
class Connection {
  readonly #socket: Socket;
  #resolve: (status: number) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #status = 0;
  /** Bytes of body still to come; null while the end is marked by the last chunk. */
  #left: number | null = null;
  #inBody = false;
  #tail = '';

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(new Connection(socket)));
      socket.once('error', reject);
    });
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data: Buffer) => this.#take(data));
    socket.on('error', (error) => this.#reject(error));
    socket.on('close', () => this.#reject(new Error('the connection closed')));
  }

  call(bytes: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    if (!this.#inBody) {
      const head = data.indexOf('\r\n\r\n');
      if (head < 0) throw new Error('a head in two pieces');
      const text = data.toString('latin1', 0, head).toLowerCase();
      this.#status = Number(text.slice(9, 12));
      const length = /content-length: (\d+)/.exec(text);
      this.#left = length ? Number(length[1]) : null;
      this.#inBody = true;
      this.#tail = '';
      this.#body(data.subarray(head + 4));
    } else this.#body(data);
  }

  #body(data: Buffer): void {
    if (this.#left !== null) {
      this.#left -= data.length;
      if (this.#left <= 0) this.#finish();
      return;
    }
    this.#tail = (this.#tail + data.toString('latin1', Math.max(0, data.length - 7))).slice(-7);
    if (this.#tail === '\r\n0\r\n\r\n') this.#finish();
  }

  #finish(): void {
    this.#inBody = false;
    this.#resolve(this.#status);
  }
}
