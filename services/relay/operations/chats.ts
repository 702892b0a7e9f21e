import type { Clock } from '../../runtime.ts';
import { claudeMessagesCall } from '../dialects/claude/call.ts';
import { CLAUDE_FACE } from '../dialects/claude/face.ts';
import { completionsCall } from '../dialects/completions/call.ts';
import { hubChatCall, hubStreamCall } from '../dialects/hub/call.ts';
import { HUB_FACE } from '../dialects/hub/face.ts';
import { ollamaChatCall, ollamaGenerateCall } from '../dialects/ollama/call.ts';
import { OLLAMA_FACE } from '../dialects/ollama/face.ts';
import { chatCall, chatStreamCall } from '../dialects/openai/chatCall.ts';
import { OPENAI_FACE } from '../dialects/openai/face.ts';
import type { Spoken } from '../dialects/protocols.ts';
import { responsesCall } from '../dialects/responses/call.ts';
import { RESPONSES_FACE } from '../dialects/responses/face.ts';
import type { OwnResponses } from '../dialects/responses/storedResponses.ts';
import { CLAUDE_PLACES, HUB_PLACES, USUAL_PLACES } from '../http/presentedKey.ts';
import type { Operation } from '../operation.ts';
import type { CallerKey } from '../ports.ts';

export interface ChatSetting {
  readonly maxDepth: number;
  readonly spoken: Spoken;
  readonly clock: Clock;
  /** Where an account's responses are stored; null where the operator stores no content. */
  readonly responsesOf: ((key: CallerKey) => OwnResponses) | null;
}

/** Everything that asks a model for an answer, but Gemini's, which name the model in their path, and the gateway's. */
export function chatOperations({ maxDepth, spoken, clock, responsesOf }: ChatSetting): readonly Operation[] {
  /** Whole nanoseconds since now. */
  const stopwatch = (): (() => number) => {
    const startedAt = clock.monotonic();
    return () => Math.round((clock.monotonic() - startedAt) * 1e6);
  };
  const openai = { dialect: 'openai', keyPlaces: USUAL_PLACES, face: () => OPENAI_FACE } as const;
  const hub = { dialect: 'aihub', keyPlaces: HUB_PLACES, face: () => HUB_FACE } as const;
  const ollama = { dialect: 'ollama', keyPlaces: USUAL_PLACES, face: () => OLLAMA_FACE } as const;
  return [
    { ...openai, path: '/v1/chat/completions', read: (raw) => chatCall(raw, maxDepth, spoken) },
    { ...openai, path: '/v1/chat/stream', read: (raw) => chatStreamCall(raw, maxDepth, spoken) },
    { ...openai, path: '/v1/completions', read: (raw) => completionsCall(raw, maxDepth, spoken) },
    {
      ...openai,
      path: '/v1/responses',
      face: () => RESPONSES_FACE,
      read: (raw, _incoming, key) => responsesCall(raw, maxDepth, spoken, { stored: responsesOf?.(key) ?? null }),
    },
    {
      path: '/v1/messages',
      dialect: 'claude',
      keyPlaces: CLAUDE_PLACES,
      face: () => CLAUDE_FACE,
      read: (raw, { headers }) => claudeMessagesCall(raw, maxDepth, headers, spoken),
    },
    { ...hub, path: '/api/v1/chat/completions', read: (raw) => hubChatCall(raw, maxDepth, spoken) },
    { ...hub, path: '/api/v1/chat/stream', read: (raw) => hubStreamCall(raw, maxDepth, spoken) },
    {
      ...ollama,
      path: '/api/ai-service/chat',
      read: (raw) => ollamaChatCall(raw, maxDepth, spoken, stopwatch()),
    },
    {
      ...ollama,
      path: '/api/ai-service/generate',
      read: (raw) => ollamaGenerateCall(raw, maxDepth, spoken, stopwatch()),
    },
  ];
}
