import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseS3Address } from '../../../infra/objects/s3Address.ts';
import { S3Objects } from '../../../infra/objects/s3Objects.ts';
import { ObjectStoreUnavailable } from '../../../services/files/ports.ts';
import { objectStoreContract } from '../../contract/objects/objectStore.contract.ts';
import { S3_CREDENTIALS, S3Server } from '../../contract/objects/s3Server.ts';

let server: S3Server;
const opened: S3Objects[] = [];
beforeEach(async () => {
  server = await S3Server.start();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
  await server.close();
});

function objects(change: { secret?: string; bucket?: string } = {}): S3Objects {
  const store = new S3Objects(parseS3Address(server.address(change)));
  opened.push(store);
  return store;
}

describe('in a bucket that checks every signature', () => {
  objectStoreContract(() => Promise.resolve(objects()));
});

describe('A bucket', () => {
  it('gets the media type of an object', async () => {
    await objects().put('file-1', Buffer.from('{}'), 'application/json');
    expect(server.objects.get('file-1')?.type).toBe('application/json');
  });

  it('is unavailable with a wrong secret, and an object is not taken for missing', async () => {
    const store = objects({ secret: 'wrong' });
    await expect(store.put('file-1', Buffer.from('x'), 'text/plain')).rejects.toThrow('SignatureDoesNotMatch');
    await expect(store.get('file-1')).rejects.toThrow(ObjectStoreUnavailable);
    await expect(store.remove('file-1')).rejects.toThrow(ObjectStoreUnavailable);
    expect(server.objects.size).toBe(0);
  });

  it('that does not exist is unavailable, and holds no missing objects', async () => {
    const store = objects({ bucket: 'another-bucket' });
    await expect(store.get('file-1')).rejects.toThrow('the bucket of objects is not there');
    await expect(store.remove('file-1')).rejects.toThrow('the bucket of objects is not there');
  });

  it('that answers with an error is unavailable, and can be used afterwards', async () => {
    const store = objects();
    server.faults.push((response) => response.writeHead(503).end('<Code>SlowDown</Code>'));
    await expect(store.put('file-1', Buffer.from('x'), 'text/plain')).rejects.toThrow(/put with 503: .*SlowDown/);
    await store.put('file-1', Buffer.from('x'), 'text/plain');
    expect(server.objects.get('file-1')?.bytes.toString()).toBe('x');
  });

  it('that cuts an object short is unavailable, and no half object passes for a whole one', async () => {
    const store = objects();
    server.faults.push((response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    });
    const bytes = await store.get('file-1');
    const read = async () => {
      for await (const piece of bytes ?? []) expect(piece.length).toBeLessThan(100);
    };
    await expect(read()).rejects.toThrow(ObjectStoreUnavailable);
  });

  it('closes although an object is not read to its end', async () => {
    const store = new S3Objects(parseS3Address(server.address()), 20);
    await store.put('file-1', Buffer.alloc(5_000_000), 'text/plain');
    expect(await store.get('file-1')).not.toBeNull();
    await store.close();
    await expect(store.get('file-1')).rejects.toThrow(ObjectStoreUnavailable);
  });

  it('that cannot be reached is unavailable', async () => {
    const store = new S3Objects(parseS3Address('s3+http://key:secret@127.0.0.1:1/bucket'));
    opened.push(store);
    await expect(store.get('file-1')).rejects.toThrow('the object store cannot be reached');
  });
});

describe('The address of a bucket', () => {
  it('has everything that is needed, with special characters as %XX', () => {
    expect(parseS3Address('s3+https://AK%2FIA:se%3Acret%25@s3.example.com:9000/my-bucket?region=eu-west-2')).toEqual({
      endpoint: 'https://s3.example.com:9000',
      bucket: 'my-bucket',
      accessKeyId: 'AK/IA',
      secretAccessKey: 'se:cret%',
      region: 'eu-west-2',
    });
    expect(parseS3Address(server.address())).toMatchObject(S3_CREDENTIALS);
  });

  it('is in us-east-1 unless it says so', () => {
    expect(parseS3Address('s3+https://key:secret@host/bucket/').region).toBe('us-east-1');
  });

  it.each([
    ['https://key:secret@host/bucket', 'is no s3'],
    ['s3+https://key:secret@', 'is no s3'],
    ['s3+https://host/bucket', 'needs a key'],
    ['s3+https://key@host/bucket', 'needs a key'],
    ['s3+https://key:secret@host', 'needs the name of one bucket'],
    ['s3+https://key:secret@host/bucket/folder', 'needs the name of one bucket'],
    ['s3+https://key:secret@host/bucket?region=a%20b', 'has a region that is none'],
    ['s3+https://key:100%25secret%@host/bucket', 'that must stand as %25'],
  ])('%j is refused, and nothing of its secret is repeated', (address, problem) => {
    expect(() => parseS3Address(address)).toThrow(problem);
    expect(() => parseS3Address(address)).not.toThrow('secret@');
  });
});
