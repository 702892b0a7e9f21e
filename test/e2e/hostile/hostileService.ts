import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { expectWell, startBookedService, type BookedService } from '../clients/bookedService.ts';
import { Bystander } from './bystander.ts';

/** The service with an attacker, who has a key, and a bystander, who works while the attacker attacks. */
export interface HostileService {
  readonly service: BookedService;
  readonly attacker: Developer;
  readonly key: string;
  readonly port: number;
  /** Sends bytes on a socket of its own; resolves with all that came back when the other side ends. */
  raw(bytes: string | Buffer): Promise<string>;
  /** An open connection, for attacks in several steps. */
  connection(): Promise<Socket>;
  /** Asserts that the process is the same, well, unpolluted and quiet, and that the bystander did not suffer. */
  expectUnharmed(slowestMs?: number): Promise<void>;
  dispose(): Promise<void>;
}

/** The rate limit is out of the way: attackers come with many keys. */
export async function startHostileService(environment: Readonly<Record<string, string>> = {}): Promise<HostileService> {
  const service = await startBookedService({
    DEFAULT_REQUESTS_PER_MINUTE: '1000000',
    DEFAULT_TOKENS_PER_MONTH: '1000000000',
    ...environment,
  });
  const [attacker, other] = [await Developer.register(service.baseUrl), await Developer.register(service.baseUrl)];
  const { key } = await attacker.issueKey();
  const bystander = new Bystander(service.baseUrl, (await other.issueKey()).key);
  bystander.start();
  const port = Number(new URL(service.baseUrl).port);
  const connection = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
  return {
    service,
    attacker,
    key,
    port,
    connection,
    async raw(bytes) {
      const socket = await connection();
      let received = '';
      socket.setEncoding('latin1').on('data', (text: string) => (received += text));
      // Who sends rubbish may find the connection reset; what arrived before counts.
      socket.on('error', () => socket.destroy());
      socket.write(bytes, 'latin1');
      await new Promise((resolve) => socket.once('close', resolve));
      return received;
    },
    async expectUnharmed(slowestMs) {
      await bystander.expectUndisturbed(slowestMs);
      await expectWell(service);
      expect(service.output()).not.toMatch(/"level":(50|60)/);
    },
    dispose: () => service.dispose(),
  };
}

/** Resident memory of a process, in MB. */
export function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1_024;
}

export interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
  readonly request_id: string;
}

/** Asserts that a body is an error in OpenAI's shape that gives nothing of the inside away, and returns it. */
export function expectOpenAiError(text: string): OpenAiError {
  const body = JSON.parse(text) as { readonly error: OpenAiError };
  expect(Object.keys(body)).toEqual(['error']);
  expect(body.error).toEqual({
    ...body.error,
    message: expect.any(String) as unknown,
    type: expect.any(String) as unknown,
    code: expect.stringMatching(/^[a-z_]+$/) as unknown,
    request_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/) as unknown,
  });
  expect(body.error.param === null || typeof body.error.param === 'string').toBe(true);
  expect(text).not.toMatch(/\bat .+\.ts:\d|node_modules|SELECT |ZodError|SyntaxError/);
  return body.error;
}

/** The answers in what a raw socket received, one after the other. */
export function answersOf(
  received: string,
): { readonly status: number; readonly headers: string; readonly body: string }[] {
  const answers: { status: number; headers: string; body: string }[] = [];
  let rest = received;
  for (;;) {
    const match = /^HTTP\/1\.1 (\d{3})[^\r\n]*\r\n([\s\S]*?)\r\n\r\n/.exec(rest);
    if (!match) return answers;
    const [head, status = '', headers = ''] = match;
    const length = Number(/^content-length: (\d+)$/im.exec(headers)?.[1] ?? rest.length);
    answers.push({ status: Number(status), headers, body: rest.slice(head.length, head.length + length) });
    rest = rest.slice(head.length + length);
  }
}
