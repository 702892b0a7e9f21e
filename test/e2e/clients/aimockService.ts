import { LLMock } from '@copilotkit/aimock';
import type OpenAI from 'openai';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Developer } from '../../support/developer.ts';
import { freshDirectory } from '../../support/serviceProcess.ts';
import { startBookedService, type BookedService } from './bookedService.ts';
import { openai } from './sdk.ts';

export const PROVIDER_KEY = 'sk-provider-0123456789abcdef';

/** The service with live channels to two providers that nobody here wrote, and a client with a live key. */
export interface AimockService {
  readonly service: BookedService;
  readonly client: OpenAI;
  /** Serves every channel but `second`. */
  readonly provider: LLMock;
  readonly secondProvider: LLMock;
  dispose(): Promise<void>;
}

/** What one test needs of a channel is the name of the model that leads to it. */
export const CHANNEL_MODELS = {
  /** One channel that never cools off. Priced at 0.00015 USD per 1 000 tokens. */
  steady: 'gpt-4o-mini',
  /** Two channels, `first` and `second`, tried in this order. 0.001 USD per 1 000 tokens. */
  doubled: 'llama-3.1-70b',
  /** Knows no `stream_options`, so its streams report no usage. 0.0025 USD per 1 000 tokens. */
  mute: 'gemini-1.5-pro',
  /** Cools off as channels do. */
  cooling: 'claude-3.5-sonnet',
  /** Must begin to answer within 400 ms and never pause for longer. Priced at 0.0025 CNY per 1 000 tokens. */
  impatient: 'mistral',
} as const;

export async function startAimockService(): Promise<AimockService> {
  const provider = new LLMock({ port: 0 });
  const secondProvider = new LLMock({ port: 0 });
  await Promise.all([provider.start(), secondProvider.start()]);
  const directory = await freshDirectory();
  const file = path.join(directory, 'channels.json');
  await writeFile(file, JSON.stringify({ channels: channels(provider.url, secondProvider.url) }));
  const service = await startBookedService({ CHANNELS_FILE: file, PROVIDER_KEY });
  const developer = await Developer.register(service.baseUrl);
  const { key } = await developer.issueKey({ mode: 'live' });
  return {
    service,
    client: openai(service.baseUrl, key),
    provider,
    secondProvider,
    async dispose() {
      await service.dispose();
      await Promise.all([provider.stop(), secondProvider.stop()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function channels(url: string, secondUrl: string): readonly object[] {
  const at = (name: string, models: unknown, more: object = {}) => ({
    name,
    baseUrl: `${name === 'second' ? secondUrl : url}/v1`,
    apiKeyEnv: 'PROVIDER_KEY',
    models,
    coolsOff: false,
    ...more,
  });
  const { steady, doubled, mute, cooling, impatient } = CHANNEL_MODELS;
  return [
    at('steady', { [steady]: 'vendor/mini-2026' }),
    at('first', { [doubled]: 'vendor/llama' }, { priority: 0 }),
    at('second', { [doubled]: 'other/llama' }, { priority: 1 }),
    at('mute', [mute], { quirks: { supportsStreamOptions: false } }),
    at('cooling', [cooling], { coolsOff: true }),
    at('impatient', [impatient], { timeouts: { firstByteMs: 400, idleMs: 400 } }),
  ];
}
