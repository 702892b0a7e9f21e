import { describe, expect, it } from 'vitest';
import { send, startUpstream } from './upstreamHarness.ts';

const KEY = 'fw_0123456789abcdef';
const channel = { apiKeyEnv: 'PROVIDER_KEY' };

describe('the credential of a channel', () => {
  it('is hidden where an upstream repeats it in an error, however often', async () => {
    const started = await startUpstream(channel, {}, { PROVIDER_KEY: KEY });
    started.scripted.next((call) => {
      expect(call.headers.authorization).toBe(`Bearer ${KEY}`);
      call.answer(400, { error: { message: `Bad key ${KEY}; “${KEY}” is unknown` } });
    });
    const { sink } = send(started);
    expect(await sink.ended).toBe('end');
    expect(sink.text).toBe('{"error":{"message":"Bad key [secret]; “[secret]” is unknown"}}');
  });

  it('leaves every other byte of an error as it was', async () => {
    const started = await startUpstream(channel, {}, { PROVIDER_KEY: KEY });
    const body = Buffer.from([0xff, 0x00, 0xe4, 0xbd, 0xa0, 0x80]);
    started.scripted.next(async (call) => {
      call.head(500, { 'content-type': 'text/html' });
      await call.write(Buffer.concat([body, Buffer.from(KEY), body]));
      call.end();
    });
    const { sink } = send(started);
    await sink.ended;
    expect(Buffer.concat(sink.chunks)).toEqual(Buffer.concat([body, Buffer.from('[secret]'), body]));
  });

  it('is left alone in errors when it is a word that texts may hold', async () => {
    const started = await startUpstream(channel, {}, { PROVIDER_KEY: 'none' });
    started.scripted.next((call) => call.answer(400, 'There is none.'));
    const { sink } = send(started);
    await sink.ended;
    expect(sink.text).toBe('There is none.');
  });
});
