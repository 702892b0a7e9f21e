import { hash } from 'node:crypto';
import { AwsV4Signer } from 'aws4fetch';
import { Agent, request, type Dispatcher } from 'undici';
import { assertObjectKey, ObjectStoreUnavailable, type ObjectStore } from '../../services/files/ports.ts';
import { pause } from '../abortable.ts';
import type { S3Address } from './s3Address.ts';

const CONNECT_MS = 5_000;
/** Without a byte for so long, a store counts as away. */
const SILENCE_MS = 30_000;
/** Until an answer begins, its place among the connections and its bytes included. */
const ANSWER_MS = 120_000;
/** What is still being read when the store closes. */
const CLOSE_MS = 5_000;
const ERROR_EXCERPT = 300;

/**
 * Objects in a bucket of an S3-compatible store, addressed by path. Every request is signed (AWS Signature Version 4)
 * together with the hash of its bytes, so that what was stored is what was sent. An object is in memory as a whole while
 * it is sent, for its hash comes before its bytes. `close` ends the connections, after `closeMs` also those in use.
 */
export class S3Objects implements ObjectStore {
  readonly #address: S3Address;
  readonly #closeMs: number;
  readonly #agent = new Agent({
    connect: { timeout: CONNECT_MS },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
    connections: 32,
  });

  constructor(address: S3Address, closeMs = CLOSE_MS) {
    this.#address = address;
    this.#closeMs = closeMs;
  }

  async put(key: string, bytes: Uint8Array | AsyncIterable<Uint8Array>, mediaType: string): Promise<void> {
    const url = this.#urlOf(key);
    const answer = await this.#send('PUT', url, await collected(bytes), mediaType);
    await expectStatus(answer, 'put');
  }

  async get(key: string): Promise<AsyncIterable<Uint8Array> | null> {
    const answer = await this.#send('GET', this.#urlOf(key));
    if (answer.statusCode === 404) {
      await expectMissingKey(answer);
      return null;
    }
    if (answer.statusCode !== 200) await expectStatus(answer, 'get');
    return pieces(answer.body);
  }

  async remove(key: string): Promise<void> {
    const answer = await this.#send('DELETE', this.#urlOf(key));
    if (answer.statusCode === 404) await expectMissingKey(answer);
    else await expectStatus(answer, 'remove');
  }

  async close(): Promise<void> {
    const closed = new AbortController();
    const closing = this.#agent.close().then(() => closed.abort());
    await Promise.race([closing, pause(this.#closeMs, closed.signal)]);
    if (!closed.signal.aborted) await this.#agent.destroy();
  }

  #urlOf(key: string): string {
    assertObjectKey(key);
    return `${this.#address.endpoint}/${this.#address.bucket}/${key}`;
  }

  async #send(
    method: 'GET' | 'PUT' | 'DELETE',
    url: string,
    body: Buffer | null = null,
    mediaType: string | null = null,
  ): Promise<Dispatcher.ResponseData> {
    const { accessKeyId, secretAccessKey, region } = this.#address;
    const signer = new AwsV4Signer({
      ...{ method, url, accessKeyId, secretAccessKey, region, service: 's3' },
      headers: {
        'x-amz-content-sha256': hash('sha256', body ?? ''),
        ...(mediaType !== null && { 'content-type': mediaType }),
      },
    });
    const { headers } = await signer.sign();
    const late = new AbortController();
    const deadline = setTimeout(() => late.abort(), ANSWER_MS);
    try {
      const { signal } = late;
      return await request(url, { method, headers: [...headers].flat(), body, signal, dispatcher: this.#agent });
    } catch (cause) {
      throw new ObjectStoreUnavailable('the object store cannot be reached', { cause });
    } finally {
      clearTimeout(deadline);
    }
  }
}

async function collected(bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (bytes instanceof Uint8Array) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* pieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new ObjectStoreUnavailable('an object was cut short', { cause });
  }
}

/** Reads the answer to its end, so that the connection can be used again. */
async function expectStatus(answer: Dispatcher.ResponseData, doing: string): Promise<void> {
  const text = await textOf(answer);
  if (answer.statusCode >= 200 && answer.statusCode < 300) return;
  const status = String(answer.statusCode);
  throw new ObjectStoreUnavailable(
    `the object store answered ${doing} with ${status}: ${text.slice(0, ERROR_EXCERPT)}`,
  );
}

/** A bucket that is not there says 404 too, and that is no missing object. */
async function expectMissingKey(answer: Dispatcher.ResponseData): Promise<void> {
  const text = await textOf(answer);
  if (text.includes('<Code>NoSuchBucket</Code>'))
    throw new ObjectStoreUnavailable('the bucket of objects is not there');
}

async function textOf(answer: Dispatcher.ResponseData): Promise<string> {
  try {
    return await answer.body.text();
  } catch (cause) {
    throw new ObjectStoreUnavailable('the answer of the object store was cut short', { cause });
  }
}
