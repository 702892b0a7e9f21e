import { LLMock } from '@copilotkit/aimock';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { freshDirectory, startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';

/** Distinctive texts, new in each run. A provider's key has no shape by which it could be told from a word. */
export const TEXTS = {
  email: `canary-mail-${hex()}@leak.example`,
  name: `Canary Name ${hex()}`,
  password: `canary password ${hex()}`,
  wrongPassword: `canary wrong password ${hex()}`,
  providerKey: `fw_${hex()}Canary`,
  secondProviderKey: `sk-canary-${hex()}`,
  prompt: `canary prompt ${hex()}`,
  systemPrompt: `canary system ${hex()}`,
  answer: `canary answer ${hex()}`,
  toolDescription: `canary tool ${hex()}`,
  toolArguments: `canary arguments ${hex()}`,
  image: `canaryimage${hex()}`,
  metadata: `canary metadata ${hex()}`,
  endUser: `canary end user ${hex()}`,
  idempotencyKey: `canary-idempotency-${hex()}`,
  brokenJson: `canary broken json ${hex()}`,
  unknownField: `canary unknown field ${hex()}`,
  model: `canary-model-${hex()}`,
  cookie: `canarycookie${hex()}`,
  header: `canaryheader${hex()}`,
  query: `canaryquery${hex()}`,
  foreignKey: `sk-proj-canary${hex()}`,
  almostKey: `tly_live_canary${hex()}${hex()}`.slice(0, 47),
  upstreamError: `canary upstream failure ${hex()}`,
} as const;

function hex(): string {
  return randomBytes(9).toString('hex');
}

export interface CanaryWorld {
  readonly service: ServiceProcess;
  /** A real upstream behind the channels `provider` (gpt-4o-mini) and `second` (gpt-4o, after one that nobody answers). */
  readonly provider: LLMock;
  /** The text of every answer with an error status, wherever it came from. */
  readonly errorReplies: string[];
  /** `fetch` that keeps error replies. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Sends bytes that need not be HTTP, and keeps what comes back. */
  raw(bytes: string): Promise<void>;
  dispose(): Promise<void>;
}

/** The service on a Postgres of its own, whose files can be searched, with everything that it could log. */
export async function startCanaryWorld(): Promise<CanaryWorld> {
  const provider = new LLMock({ port: 0 });
  await provider.start();
  const directory = await freshDirectory();
  const file = path.join(directory, 'channels.yaml');
  const baseUrl = `${provider.url}/v1`;
  const nobody = 'http://127.0.0.1:9/v1';
  const timeouts = { connectMs: 500, firstByteMs: 500, idleMs: 500 };
  const channels = [
    { name: 'provider', baseUrl, apiKeyEnv: 'PROVIDER_KEY', models: ['gpt-4o-mini'], coolsOff: false, timeouts },
    { name: 'nobody', baseUrl: nobody, apiKeyEnv: 'SECOND_KEY', models: ['gpt-4o'], coolsOff: false, timeouts },
    { name: 'second', baseUrl, apiKeyEnv: 'SECOND_KEY', models: ['gpt-4o'], priority: 1, coolsOff: false, timeouts },
  ];
  await writeFile(file, JSON.stringify({ channels }));
  const service = await startServiceProcess({
    CHANNELS_FILE: file,
    LOG_LEVEL: 'debug',
    PROVIDER_KEY: TEXTS.providerKey,
    SECOND_KEY: TEXTS.secondProviderKey,
    MAX_BODY_BYTES: '65536',
  });
  const errorReplies: string[] = [];
  return {
    service,
    provider,
    errorReplies,
    async fetch(input, init) {
      const response = await fetch(input, init);
      if (response.status >= 400) {
        const headers = JSON.stringify([...response.headers]);
        errorReplies.push(`${headers}\n${await response.clone().text()}`);
      }
      return response;
    },
    async raw(bytes) {
      const socket = connect(Number(new URL(service.baseUrl).port), '127.0.0.1');
      socket.on('error', () => socket.destroy());
      socket.setEncoding('latin1').on('data', (text: string) => errorReplies.push(text));
      socket.write(bytes, 'latin1');
      await new Promise((resolve) => socket.once('close', resolve));
    },
    async dispose() {
      await service.dispose();
      await provider.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
