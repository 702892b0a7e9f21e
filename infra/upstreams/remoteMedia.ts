import { lookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import { ApiError } from '../../services/http/errors.ts';
import type { FetchedMedia } from '../../services/relay/canonical/inlineMedia.ts';
import type { MediaFetcher } from '../../services/relay/ports.ts';
import { isPublicAddress } from './publicAddress.ts';

export interface RemoteMediaOptions {
  readonly maxBytes?: number;
  readonly timeoutMs?: number;
  /** Only addresses and ports of the public web; false in tests, which have a server on loopback. */
  readonly publicOnly?: boolean;
}

const MAX_BYTES = 20 * 1_048_576;
const TIMEOUT_MS = 10_000;
const MAX_REDIRECTS = 3;
const ACCEPTED = /^(image\/(png|jpeg|gif|webp)|audio\/[\w.+-]+|application\/pdf)$/;

/**
 * Fetches images and files that clients name by URL, for providers that take bytes only. A client must not reach through
 * us what it cannot reach itself: http and https on their usual ports, no credentials, and only addresses of the public
 * Internet, looked at when the connection is made, so that a name cannot change its address in between. Redirects are
 * checked like the first URL.
 */
export class RemoteMedia implements MediaFetcher {
  readonly #maxBytes: number;
  readonly #timeoutMs: number;
  readonly #publicOnly: boolean;
  readonly #agent: Agent;

  constructor(options: RemoteMediaOptions = {}) {
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#publicOnly = options.publicOnly ?? true;
    this.#agent = new Agent({
      connect: { lookup: this.#checkedLookup, timeout: this.#timeoutMs },
      connections: 64,
      maxHeaderSize: 16_384,
    });
  }

  /** Throws ApiError `invalid_request` for whatever cannot be had; it says nothing of what lies at the address. */
  async fetch(url: string): Promise<FetchedMedia> {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    let target = url;
    try {
      for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
        const checked = this.#checked(target);
        const answer = await request(checked, {
          dispatcher: this.#agent,
          signal,
          headers: { accept: 'image/*, audio/*, application/pdf', 'user-agent': 'tallystick' },
        });
        const { location } = answer.headers;
        if (answer.statusCode >= 300 && answer.statusCode < 400 && typeof location === 'string') {
          await answer.body.dump();
          target = new URL(location, checked).href;
          continue;
        }
        if (answer.statusCode !== 200) {
          await answer.body.dump();
          throw unusable('it was answered with an error');
        }
        const mime = String(answer.headers['content-type'] ?? '')
          .split(';', 1)[0]
          ?.trim()
          .toLowerCase();
        if (mime === undefined || !ACCEPTED.test(mime)) {
          await answer.body.dump();
          throw unusable('it is no image, audio or PDF');
        }
        return { mime, data: (await this.#bounded(answer.body)).toString('base64') };
      }
    } catch (cause) {
      throw cause instanceof ApiError ? cause : unusable('it cannot be reached', cause);
    }
    throw unusable('it is redirected too often');
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  #checked(target: string): URL {
    if (!URL.canParse(target)) throw unusable('it is no URL');
    const url = new URL(target);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw unusable('only http and https are fetched');
    if (url.username !== '' || url.password !== '') throw unusable('it holds credentials');
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !this.#mayReach(host)) throw unusable('its address is not public');
    if (this.#publicOnly && url.port !== '') throw unusable('its port is not the usual one');
    return url;
  }

  async #bounded(body: AsyncIterable<Buffer>): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      if (size > this.#maxBytes) throw unusable('it is too large');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  #mayReach(address: string): boolean {
    return !this.#publicOnly || isPublicAddress(address);
  }

  /** Every address of a name must be public: of several, any might be taken. */
  readonly #checkedLookup: LookupFunction = (hostname, options, callback) => {
    // Beside an error there is no list, whatever the types say; what is thrown here would end the process.
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[] | undefined) => {
      const [first] = found ?? [];
      if (error ?? !first) callback(error ?? new Error('no address'), '', 4);
      else if (!found?.every(({ address }) => this.#mayReach(address))) callback(new Error('not public'), '', 4);
      else if (options.all === true) callback(null, found);
      else callback(null, first.address, first.family);
    });
  };
}

function unusable(why: string, cause?: unknown): ApiError {
  const detail = `A URL in this request cannot be used: ${why}.`;
  return new ApiError('invalid_request', { detail, cause });
}
