import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { channelSettings, loadChannels, parseChannels } from '../../../infra/config/channels.ts';
import { ConfigError } from '../../../infra/config/config.ts';

const EXAMPLE = new URL('../../../infra/config/channels.example.yaml', import.meta.url).pathname;
const KEYS = {
  OPENAI_API_KEY: 'sk-canary-1',
  OPENROUTER_API_KEY: 'sk-canary-2',
  ANTHROPIC_API_KEY: 'sk-canary-3',
  GEMINI_API_KEY: 'sk-canary-4',
  AZURE_OPENAI_KEY: 'sk-canary-5',
  DIFY_APP_KEY: 'sk-canary-6',
};

function problemsOf(text: string, environment: Readonly<Record<string, string>> = {}): readonly string[] {
  try {
    parseChannels(text, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the channels file', () => {
  it('needs only a name, an address and models', () => {
    const [channel] = parseChannels(
      '{"channels":[{"name":"a","baseUrl":"http://127.0.0.1:1/v1/","models":["m"]}]}',
      {},
    );
    expect(channel).toEqual({
      name: 'a',
      protocol: 'openai',
      baseUrl: 'http://127.0.0.1:1/v1',
      apiKey: null,
      auth: 'bearer',
      query: '',
      mode: 'live',
      models: new Map([['m', 'm']]),
      priority: 0,
      weight: 1,
      coolsOff: true,
      timeouts: { connectMs: 10_000, firstByteMs: 60_000, idleMs: 60_000, totalMs: 900_000 },
      clientGone: 'cancel',
      drainMaxMs: 30_000,
      quirks: {
        supportsStreamOptions: true,
        maxTokensField: 'max_tokens',
        supportsDeveloperRole: true,
        supportsParallelTools: true,
        reasoningField: 'reasoning_content',
        usagePath: 'usage',
        usageExcludesReasoning: false,
        stripsParams: [],
      },
      maxConnections: 512,
      maxQueued: 256,
      cost: null,
    });
  });

  it.each([
    ['claude', 'x-api-key'],
    ['gemini', 'x-goog-api-key'],
    ['ollama', 'bearer'],
    ['dify', 'bearer'],
  ])('takes the key for %s as that vendor wants it', (protocol, auth) => {
    const [channel] = parseChannels(
      JSON.stringify({ channels: [{ name: 'a', baseUrl: 'http://127.0.0.1:1', models: ['m'], protocol }] }),
      {},
    );
    expect(channel).toMatchObject({ protocol, auth });
  });

  it('may add a query and another place for the key, as Azure wants them', () => {
    const entry = {
      name: 'azure',
      baseUrl: 'https://example.openai.azure.com/openai/deployments/gpt-4o',
      models: ['gpt-4o'],
      auth: 'api-key',
      query: { 'api-version': '2025-01-01' },
    };
    const [channel] = parseChannels(JSON.stringify({ channels: [entry] }), {});
    expect(channel).toMatchObject({ auth: 'api-key', query: 'api-version=2025-01-01' });
  });

  it('is valid as the example shows it', () => {
    const channels = loadChannels(EXAMPLE, KEYS);
    expect(channels.map(({ name }) => name)).toEqual([
      ...['openai', 'openrouter', 'local-vllm', 'anthropic', 'gemini', 'ollama', 'azure', 'dify'],
    ]);
    expect(channels[1]?.models?.get('grok-4-fast:free')).toBe('x-ai/grok-4-fast');
    expect(channels[0]?.cost?.perMillionTokensMicroUnits.outputText).toBe(10_000_000);
  });

  it('takes keys from the environment and never shows them', () => {
    const [channel] = loadChannels(EXAMPLE, KEYS);
    expect(channel?.apiKey?.reveal()).toBe('sk-canary-1');
    for (const shown of [
      JSON.stringify(channel),
      inspect(channel, { depth: 9, showHidden: true }),
      String(channel?.apiKey),
    ]) {
      expect(shown).not.toContain('canary');
    }
  });

  it('reports every problem at once, with its path', () => {
    const text = `
channels:
  - { name: A B, baseUrl: ftp://x, models: [] }
  - { name: a, baseUrl: "http://user:pass@x/v1", models: "*", timeouts: { idleMs: -1, tea: 3 }, weight: "3", apiKey: sk-1 }
  - { name: b, baseUrl: "http://x/v1?key=1", models: "*" }
  - { name: c, baseUrl: "http://x/v1", models: { m: n }, apiKeyEnv: NOPE, timeouts: { firstByteMs: 5000, connectMs: 10, idleMs: 10, totalMs: 100 } }
  - { name: c, baseUrl: "http://x/v1", models: "*", quirks: { usagePath: "a..b" } }
  - { name: c, baseUrl: "http://x/v1", models: "*" }
`;
    const url = 'must be an http or https URL without credentials, query or fragment';
    expect(problemsOf(text)).toEqual([
      'channels.0.name: must be lower-case letters, digits, "-", "_" or "."',
      `channels.0.baseUrl: ${url}`,
      'channels.0.models: Too small: expected array to have >=1 items',
      `channels.1.baseUrl: ${url}`,
      'channels.1.weight: Invalid input: expected number, received string',
      'channels.1.timeouts.idleMs: Too small: expected number to be >=1',
      'channels.1.timeouts: Unrecognized key: "tea"',
      'channels.1: Unrecognized key: "apiKey"',
      `channels.2.baseUrl: ${url}`,
      'channels.4.quirks.usagePath: must be a dotted path',
      'channels.3.timeouts.firstByteMs: must not exceed totalMs',
      'channels.3.drainMaxMs: must not exceed timeouts.totalMs',
      'channels.3.apiKeyEnv: the environment variable NOPE is not set or holds no usable key',
      'channels.5.name: "c" is already the name of channels.3',
    ]);
  });

  it.each([
    ['', 'file: Invalid input: expected object, received null'],
    ['[]', 'file: Invalid input: expected object, received array'],
    ['{channels: []}', 'channels: must name at least one channel'],
    ['{channel: []}', 'channels: Invalid input: expected array, received undefined'],
  ])('refuses %j', (text, problem) => {
    expect(problemsOf(text)).toContain(problem);
  });

  it('refuses text that is not YAML, and a file that is not there', () => {
    expect(problemsOf('channels: [{name: a, name: b}]')[0]).toContain('Map keys must be unique');
    expect(() => loadChannels('/nowhere/channels.yaml', {})).toThrow(
      /CHANNELS_FILE: \/nowhere\/channels.yaml cannot be read/,
    );
  });

  it.each([' ', 'two words', 'line\nbreak', 'schlüssel'])('refuses %j as a key', (key) => {
    const text = '{"channels":[{"name":"a","baseUrl":"http://x","models":"*","apiKeyEnv":"KEY"}]}';
    expect(problemsOf(text, { KEY: key })).toHaveLength(1);
    expect(problemsOf(text, { KEY: ' sk-fine \n' })).toEqual([]);
  });

  it('has the same defaults for channels that the program adds', () => {
    const settings = channelSettings({
      name: 'simulated',
      baseUrl: 'http://127.0.0.1:1/v1',
      mode: 'test',
      models: '*',
      coolsOff: false,
    });
    expect(settings).toMatchObject({ mode: 'test', models: null, coolsOff: false, priority: 0 });
    expect(() => channelSettings({ name: 'a', baseUrl: 'nowhere', models: '*' })).toThrow(ConfigError);
  });
});
