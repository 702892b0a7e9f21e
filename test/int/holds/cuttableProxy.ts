import net from 'node:net';

/** A TCP proxy on loopback in front of a server, which can cut its connections or stop forwarding. */
export class CuttableProxy {
  readonly #server: net.Server;
  readonly #pairs = new Set<{ readonly client: net.Socket; readonly upstream: net.Socket }>();
  #frozen = false;

  static async before(serverUrl: string): Promise<CuttableProxy> {
    const target = new URL(serverUrl);
    const proxy = new CuttableProxy(target.hostname, Number(target.port));
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  private constructor(host: string, port: number) {
    this.#server = net.createServer((client) => {
      const upstream = net.connect(port, host);
      const pair = { client, upstream };
      this.#pairs.add(pair);
      const end = () => {
        client.destroy();
        this.#pairs.delete(pair);
        // The server is not told: what it is running, it goes on running.
        upstream.unref();
      };
      client.on('error', end);
      upstream.on('error', end);
      client.on('data', (bytes) => this.#frozen || upstream.write(bytes));
      upstream.on('data', (bytes) => this.#frozen || client.destroyed || client.write(bytes));
      upstream.on('close', end);
    });
  }

  /** The server's URL through the proxy. */
  url(serverUrl: string): string {
    const { port } = this.#server.address() as net.AddressInfo;
    return Object.assign(new URL(serverUrl), { hostname: '127.0.0.1', port: String(port) }).href;
  }

  /** Clients lose their connections; the server goes on with what it was told. */
  cut(): void {
    for (const { client } of this.#pairs) client.destroy();
  }

  /** Nothing is forwarded, and connections stay open. */
  set frozen(frozen: boolean) {
    this.#frozen = frozen;
  }

  async close(): Promise<void> {
    for (const { client, upstream } of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
