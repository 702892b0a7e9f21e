import type { AskedPrompt } from '../../../../services/relay/canonical/crossing.ts';
import type { Message, Part } from '../../../../services/relay/canonical/prompt.ts';
import { claudeProtocol } from '../../../../services/relay/dialects/claude/upstream.ts';
import type { Channel } from '../../../../services/relay/ports.ts';
import { channel, prompt } from './fixtures.ts';

/** The body that a prompt is asked with. */
export async function asked(
  change: Partial<AskedPrompt> = {},
  to: Partial<Channel> = {},
): Promise<Record<string, unknown>> {
  const { body } = await claudeProtocol.ask(prompt(change), channel(to));
  return JSON.parse(String(body)) as Record<string, unknown>;
}

/** The code and place of the refusal that asking ends in. */
export async function refusal(change: Partial<AskedPrompt>): Promise<unknown> {
  try {
    return await asked(change);
  } catch (error) {
    const { code, param } = error as { code: unknown; param: unknown };
    return [code, param];
  }
}

export const says = (text: string): Part => ({ type: 'text', text });
export const user = (...parts: Part[]): Message => ({ role: 'user', parts });
export const assistant = (...parts: Part[]): Message => ({ role: 'assistant', parts });
export const call = (id: string, json = '{}', name = 'f'): Part => ({ type: 'toolCall', id, name, arguments: json });
export const result = (callId: string, ...parts: Part[]): Message => ({
  role: 'tool',
  parts: [{ type: 'toolResult', callId, name: 'f', parts, isError: false }],
});
