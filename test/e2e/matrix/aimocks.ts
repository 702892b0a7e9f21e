import { LLMock, type Fixture } from '@copilotkit/aimock';
import type { UsageVector } from '../../../events/meters.ts';
import { INPUT, OUTPUT, RETRY_AFTER, SENTENCES } from '../../support/vendors/vendor.ts';
import {
  IDLE_TOOL_NAME,
  REMARK,
  TEXT,
  THOUGHT,
  TOOL_ARGUMENTS,
  TOOL_NAME,
} from '../../support/vendors/vendorServer.ts';
import type { Feature } from './features.ts';

/** The protocols that aimock speaks too, each with the names in which its fixtures state usage. */
const SPOKEN = {
  openai: { basePath: '/v1', usage: { prompt_tokens: INPUT, completion_tokens: OUTPUT } },
  claude: { basePath: '/v1', usage: { input_tokens: INPUT, output_tokens: OUTPUT } },
  gemini: { basePath: '/v1beta', usage: { promptTokenCount: INPUT, candidatesTokenCount: OUTPUT } },
  ollama: { basePath: '', usage: {} },
} as const;
export type AimockProtocol = keyof typeof SPOKEN;
export const AIMOCK_PROTOCOLS = Object.keys(SPOKEN) as readonly AimockProtocol[];

/** What it can be asked. It reads no images, and its streams break by closed sockets only. */
const FEATURES_OF_AIMOCK: ReadonlySet<Feature> = new Set([
  'text',
  'stream',
  'tools',
  'tools streamed',
  'two tools',
  'result',
  'result streamed',
  'length',
  'thinking',
  'thinking streamed',
  '400',
  '401',
  '429',
  '500',
]);

export function isSpokenByAimock(protocol: string): protocol is AimockProtocol {
  return Object.hasOwn(SPOKEN, protocol);
}

/** Whether aimock can prove a cell too. Its Ollama says `reasoning_content` for `thinking`, and always stops. */
export function provedByAimock(protocol: string, feature: Feature): boolean {
  if (!isSpokenByAimock(protocol) || !FEATURES_OF_AIMOCK.has(feature)) return false;
  return protocol !== 'ollama' || !UNLIKE_OLLAMA.has(feature);
}

const UNLIKE_OLLAMA: ReadonlySet<Feature> = new Set(['length', 'thinking', 'thinking streamed']);

/** Providers that nobody here wrote, one per protocol, told to say what our fixtures say. */
export class Aimocks {
  readonly #mocks: ReadonlyMap<AimockProtocol, LLMock>;

  static async start(): Promise<Aimocks> {
    const mocks = AIMOCK_PROTOCOLS.map((protocol) => [protocol, withFixtures(protocol)] as const);
    await Promise.all(mocks.map(([, mock]) => mock.start()));
    return new Aimocks(new Map(mocks));
  }

  private constructor(mocks: ReadonlyMap<AimockProtocol, LLMock>) {
    this.#mocks = mocks;
  }

  baseUrl(protocol: AimockProtocol): string {
    return `${this.#mock(protocol).url}${SPOKEN[protocol].basePath}`;
  }

  /** Ids of the calls whose prompt has this text, in their order. */
  requestIds(protocol: AimockProtocol, text: string): string[] {
    return this.#mock(protocol)
      .getRequests()
      .filter(({ body }) => JSON.stringify(body).includes(text))
      .map(({ headers }) => headers['x-request-id'] ?? '');
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#mocks.values()].map((mock) => mock.stop()));
  }

  #mock(protocol: AimockProtocol): LLMock {
    const mock = this.#mocks.get(protocol);
    if (!mock) throw new Error(`no mock speaks ${protocol}`);
    return mock;
  }
}

const FAILURE_TYPES = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  429: 'rate_limit_error',
  500: 'api_error',
} as const;

/** Null for Ollama, whose counters aimock leaves at zero. */
export function aimockUsage(protocol: AimockProtocol): UsageVector | null {
  return protocol === 'ollama' ? null : { uncachedInput: INPUT, outputText: OUTPUT };
}

function withFixtures(protocol: AimockProtocol): LLMock {
  const { usage } = SPOKEN[protocol];
  const content = TEXT.join('');
  // Google ends a turn that calls a tool as any other one.
  const finish = protocol === 'gemini' ? { finishReason: 'stop' } : {};
  const idle = { id: `call_${protocol}2`, name: IDLE_TOOL_NAME, arguments: '{}' };
  const call = { id: `call_${protocol}1`, name: TOOL_NAME, arguments: JSON.stringify(TOOL_ARGUMENTS) };
  const fixtures: Fixture[] = [
    { match: { userMessage: '[[text-' }, response: { content, usage } },
    { match: { userMessage: '[[cut-' }, response: { content, usage, finishReason: 'length' } },
    { match: { userMessage: '[[thinking-' }, response: { content, reasoning: THOUGHT, usage } },
    { match: { userMessage: /\[\[(?:tool|twoTools)-/, hasToolResult: true }, response: { content, usage } },
    { match: { userMessage: '[[tool-' }, response: { toolCalls: [call], usage, ...finish } },
    {
      match: { userMessage: '[[twoTools-' },
      response: { content: REMARK, toolCalls: [call, idle], usage, ...finish },
    },
  ];
  for (const status of [400, 401, 429, 500] as const) {
    const error = { message: SENTENCES[status], type: FAILURE_TYPES[status] };
    const response = { status, error, ...(status === 429 && { retryAfter: RETRY_AFTER }) };
    fixtures.push({ match: { userMessage: `[[fail${String(status)}-` }, response });
  }
  return new LLMock({ port: 0, chunkSize: 7 }).addFixtures(fixtures);
}
