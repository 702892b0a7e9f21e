/** What a provider of OpenAI's chat completions sends. */
const HEAD = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'some-model' };

export function usage(promptTokens: number, completionTokens: number) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** A whole answer; without usage when it is null. */
export function wholeAnswer(content: string, reported: ReturnType<typeof usage> | null): object {
  return {
    ...HEAD,
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    ...(reported && { usage: reported }),
  };
}

/** A chunk of content. `padding` makes it larger without a single token, as some providers do to hide lengths. */
export function contentChunk(content: string, padding = ''): object {
  return {
    ...HEAD,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
    ...(padding !== '' && { obfuscation: padding }),
  };
}

/** The end of a stream: the finish reason, the usage if there is one to report, and `[DONE]`. */
export function lastChunks(reported: ReturnType<typeof usage> | null): readonly (object | string)[] {
  const finish = {
    ...HEAD,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
  };
  const usageChunk = { ...HEAD, object: 'chat.completion.chunk', choices: [], usage: reported };
  return [finish, ...(reported ? [usageChunk] : []), '[DONE]'];
}
