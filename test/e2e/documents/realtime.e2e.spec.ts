import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { Workplace } from '../../support/documents/programs.ts';
import { sample } from '../../support/documents/samples.ts';
import { startBookedService, type BookedService } from '../clients/bookedService.ts';

/** Read models follow the log. */
const SOON = { timeout: 15_000 };

/** The sample's second message, which it leaves to its reader, and its end. The sample prints each frame that comes. */
const MORE = `
const frames = [];
socket.addEventListener('message', ({ data }) => {
  const frame = JSON.parse(data);
  frames.push(frame);
  if (frame.type === 'conversation.created') socket.send(JSON.stringify({ type: 'message', message: 'Hello!' }));
  if (frame.type === 'message.completed' || frame.type === 'error') socket.close();
});
socket.addEventListener('close', () => process.stdout.write('\\n' + JSON.stringify(frames)));
`;
const SAYS = 'This is a simulated answer. You said: Hello!';

let service: BookedService;
let workplace: Workplace;

beforeAll(async () => {
  [service, workplace] = await Promise.all([startBookedService(), Workplace.open()]);
});
afterAll(async () => {
  await service.dispose();
  await workplace.close();
});

interface Frame {
  readonly type: string;
  readonly message: string;
}

/** Runs the sample as a program of Node. A browser, for which it is written, has no other place for a key than the subprotocols. */
async function talk(key: string): Promise<{ readonly printed: string; readonly frames: readonly Frame[] }> {
  const address = `${service.baseUrl.replace('http', 'ws')}/v1/realtime`;
  const code = sample('relayReference', 'realtime', {
    "'wss://api.example.com/v1/realtime'": `'${address}', ['realtime', 'openai-insecure-api-key.${key}']`,
  });
  const { stdout } = await workplace.node(code + MORE);
  const printed = stdout.trimEnd();
  const end = printed.lastIndexOf('\n');
  return { printed, frames: JSON.parse(printed.slice(end + 1)) as Frame[] };
}

describe('the WebSocket sample of the relay’s reference', () => {
  it('hears the six events, each with a text', async () => {
    const { frames, printed } = await talk(service.firstRun.testKey);
    const types = frames.map(({ type }) => type);
    expect(types.filter((type, index) => type !== types[index - 1])).toEqual([
      'conversation.created',
      'message.created',
      'content.start',
      'content.delta',
      'content.stop',
      'message.completed',
    ]);
    for (const { message } of frames) expect(typeof message).toBe('string');
    const deltas = frames.filter(({ type }) => type === 'content.delta');
    expect(deltas.map(({ message }) => message).join('')).toBe(SAYS);
    expect(frames.slice(-2).map(({ message }) => message)).toEqual([SAYS, SAYS]);
    expect(printed).toMatch(/^WebSocket连接已建立\n/);
    expect(printed.match(/^收到消息:/gm)).toHaveLength(frames.length);
    expect(printed).toContain('WebSocket连接已关闭');
  });

  it('is billed for what it heard', async () => {
    const { id, key } = await (await Developer.register(service.baseUrl)).issueKey();
    const { frames } = await talk(key);
    const { usage } = frames.at(-1) as Frame & { readonly usage: { readonly total_tokens: number } };
    expect(usage.total_tokens).toBeGreaterThan(0);
    // A response that nobody began is held for too, and ends without usage.
    const billed = async () => {
      const { rows } = await service.pool.query<{ model: string; usage: Readonly<Record<string, number>> }>(
        `SELECT model, usage FROM requests.log WHERE key_id = $1 AND source = 'reported'`,
        [id],
      );
      return rows.map(({ model, usage: meters }) => [model, Object.values(meters).reduce((sum, count) => sum + count)]);
    };
    await expect.poll(billed, SOON).toEqual([['gpt-4', usage.total_tokens]]);
  });

  it('is closed without having been open when its key is wrong', async () => {
    expect(await talk('tly_test_wrong')).toEqual({ printed: 'WebSocket连接已关闭\n\n[]', frames: [] });
  });
});
