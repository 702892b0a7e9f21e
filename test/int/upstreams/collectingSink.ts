import type { UpstreamFailure, UpstreamSink } from '../../../services/relay/ports.ts';

/** A sink that keeps everything and proves the contract: one ending, nothing after it. */
export class CollectingSink implements UpstreamSink {
  status: number | null = null;
  headers: Readonly<Record<string, string | readonly string[] | undefined>> = {};
  readonly chunks: Buffer[] = [];
  readonly violations: string[] = [];
  /** Resolves with `end`, or with the failure. */
  readonly ended: Promise<'end' | UpstreamFailure>;
  /** False: every piece asks for a pause. */
  wantsMore = true;
  #resolve: (ending: 'end' | UpstreamFailure) => void = () => undefined;
  #hasEnded = false;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  get receivedBytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  async failure(): Promise<UpstreamFailure> {
    const ending = await this.ended;
    if (ending === 'end') throw new Error('the call ended well');
    return ending;
  }

  head(status: number, headers: Readonly<Record<string, string | readonly string[] | undefined>>): void {
    if (this.#hasEnded || this.status !== null) this.violations.push('head');
    this.status = status;
    this.headers = headers;
  }

  data(chunk: Buffer): boolean {
    if (this.#hasEnded || this.status === null) this.violations.push('data');
    this.chunks.push(chunk);
    return this.wantsMore;
  }

  end(): void {
    this.#end('end');
  }

  failed(failure: UpstreamFailure): void {
    this.#end(failure);
  }

  #end(ending: 'end' | UpstreamFailure): void {
    if (this.#hasEnded) this.violations.push('second ending');
    this.#hasEnded = true;
    this.#resolve(ending);
  }
}
