/** An S3-compatible store, from `s3+https://key:secret@host/bucket?region=eu-central-1`. */
export interface S3Address {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION = /^[a-z0-9-]{1,64}$/;

/**
 * Reads an address. Characters of key and secret that mean something in a URL stand in it as %XX. Throws TypeError
 * without repeating anything of the address, for it holds a secret.
 */
export function parseS3Address(text: string): S3Address {
  const scheme = /^s3\+(https?):\/\//.exec(text);
  if (!scheme?.[1] || !URL.canParse(text.slice('s3+'.length))) throw wrong('is no s3+https:// address');
  const url = new URL(text.slice('s3+'.length));
  const bucket = url.pathname.replace(/^\//, '').replace(/\/$/, '');
  const region = url.searchParams.get('region') ?? 'us-east-1';
  const accessKeyId = decoded(url.username);
  const secretAccessKey = decoded(url.password);
  if (accessKeyId === '' || secretAccessKey === '') throw wrong('needs a key and a secret');
  if (!BUCKET.test(bucket)) throw wrong('needs the name of one bucket as its path');
  if (!REGION.test(region)) throw wrong('has a region that is none');
  return { endpoint: `${url.protocol}//${url.host}`, bucket, accessKeyId, secretAccessKey, region };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('has a % in key or secret that must stand as %25');
  }
}

function wrong(problem: string): TypeError {
  return new TypeError(`the address of the object store ${problem}`);
}
