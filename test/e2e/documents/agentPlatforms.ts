import type { ScriptedCall } from '../../support/scriptedUpstream.ts';

/** What each platform streams for one answer, “你好！” at 7 tokens in and 3 out, and where it is asked for it. */
export const PLATFORMS = {
  fastgpt: {
    path: '/api/v1/chat/completions',
    lines: [
      named('answer', { id: '', choices: [{ index: 0, delta: { role: 'assistant', content: '你好' } }] }),
      named('answer', { id: '', choices: [{ index: 0, delta: { content: '！' }, finish_reason: 'stop' }] }),
      'event: answer\ndata: [DONE]\n\n',
      named('flowResponses', [{ moduleType: 'chatNode', inputTokens: 7, outputTokens: 3 }]),
    ],
  },
  dify: {
    path: '/chat-messages',
    lines: [
      plain({ event: 'message', task_id: 'task', conversation_id: 'dify-1', answer: '你好' }),
      plain({ event: 'message', task_id: 'task', conversation_id: 'dify-1', answer: '！' }),
      plain({
        event: 'message_end',
        conversation_id: 'dify-1',
        metadata: { usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } },
      }),
    ],
  },
  coze: {
    path: '/v3/chat',
    lines: [
      cozes('conversation.chat.created', { id: 'chat', conversation_id: 'coze-1', status: 'created' }),
      cozes('conversation.message.delta', { id: 'm', role: 'assistant', type: 'answer', content: '你好' }),
      cozes('conversation.message.delta', { id: 'm', role: 'assistant', type: 'answer', content: '！' }),
      cozes('conversation.chat.completed', {
        id: 'chat',
        conversation_id: 'coze-1',
        status: 'completed',
        usage: { token_count: 10, input_count: 7, output_count: 3 },
      }),
      'event:done\ndata:[DONE]\n\n',
    ],
  },
} as const;

export type Platform = keyof typeof PLATFORMS;

/** Answers as the platform does whose path was called. */
export async function answerAsPlatform(call: ScriptedCall): Promise<void> {
  const platform = Object.values(PLATFORMS).find(({ path }) => call.path.split('?')[0] === path);
  if (!platform) {
    call.answer(404, { message: `nothing at ${call.path}` });
    return;
  }
  call.head();
  for (const line of platform.lines) await call.write(line);
  call.end();
}

function named(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function plain(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** Coze leaves out the spaces. */
function cozes(event: string, data: unknown): string {
  return `event:${event}\ndata:${JSON.stringify(data)}\n\n`;
}
