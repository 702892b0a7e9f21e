import { createHash, createHmac, hash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export const S3_CREDENTIALS = { accessKeyId: 'AKIATEST/+', secretAccessKey: 'wJalr/XUtn+FEMI%K7', region: 'eu-test-1' };
const BUCKET = 'tally-files';

/**
 * The part of S3 that we use, in memory, on loopback. It computes every signature anew from what arrived (AWS Signature
 * Version 4, "Authenticating Requests: Using the Authorization Header") and refuses what differs, as well as bytes that
 * are not those of the signed hash.
 */
export class S3Server {
  readonly objects = new Map<string, { readonly bytes: Buffer; readonly type: string }>();
  /** What to answer in place of the next requests. */
  readonly faults: ((response: ServerResponse) => void)[] = [];
  readonly #server: Server;

  static async start(): Promise<S3Server> {
    const s3 = new S3Server();
    s3.#server.listen(0, '127.0.0.1');
    await once(s3.#server, 'listening');
    return s3;
  }

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  address(change: { secret?: string; bucket?: string } = {}): string {
    const { port } = this.#server.address() as AddressInfo;
    const key = encodeURIComponent(S3_CREDENTIALS.accessKeyId);
    const secret = encodeURIComponent(change.secret ?? S3_CREDENTIALS.secretAccessKey);
    const { region } = S3_CREDENTIALS;
    return `s3+http://${key}:${secret}@127.0.0.1:${String(port)}/${change.bucket ?? BUCKET}?region=${region}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await buffer(request);
    const fault = this.faults.shift();
    if (fault) {
      fault(response);
      return;
    }
    const problem = signatureProblem(request, bytes);
    if (problem !== null) {
      fail(response, 403, problem);
      return;
    }
    const [, bucket, key = ''] = (request.url ?? '').split('/');
    if (bucket !== BUCKET) fail(response, 404, 'NoSuchBucket');
    else this.#serve(request, response, key, bytes);
  }

  #serve(request: IncomingMessage, response: ServerResponse, key: string, bytes: Buffer): void {
    const found = this.objects.get(key);
    if (request.method === 'PUT') {
      this.objects.set(key, { bytes, type: request.headers['content-type'] ?? '' });
      response.end();
    } else if (request.method === 'DELETE') {
      this.objects.delete(key);
      response.writeHead(204).end();
    } else if (found) response.writeHead(200, { 'content-type': found.type }).end(found.bytes);
    else fail(response, 404, 'NoSuchKey');
  }
}

function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=(.+)\/(\d{8})\/([\w-]+)\/s3\/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/;

/** Null for a request that is signed as it should be. */
function signatureProblem(request: IncomingMessage, bytes: Buffer): string | null {
  const { accessKeyId, secretAccessKey, region } = S3_CREDENTIALS;
  const [, key, day = '', named, signedNames = '', signature = ''] =
    AUTHORIZATION.exec(request.headers.authorization ?? '') ?? [];
  if (key !== accessKeyId || named !== region) return 'InvalidAccessKeyId';
  const stated = String(request.headers['x-amz-content-sha256']);
  if (stated !== createHash('sha256').update(bytes).digest('hex')) return 'XAmzContentSHA256Mismatch';
  const names = signedNames.split(';');
  if (!['host', 'x-amz-content-sha256', 'x-amz-date'].every((name) => names.includes(name))) return 'UnsignedHeaders';
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const headers = names.map((name) => `${name}:${String(request.headers[name]).trim()}\n`).join('');
  const canonical = [request.method, path, query, headers, signedNames, stated].join('\n');
  const at = String(request.headers['x-amz-date']);
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', at, scope, hash('sha256', canonical)].join('\n');
  const signingKey = [day, region, 's3', 'aws4_request'].reduce<Buffer>(
    (derived, part) => createHmac('sha256', derived).update(part).digest(),
    Buffer.from(`AWS4${secretAccessKey}`),
  );
  const own = createHmac('sha256', signingKey).update(toSign).digest();
  return timingSafeEqual(own, Buffer.from(signature, 'hex')) ? null : 'SignatureDoesNotMatch';
}
