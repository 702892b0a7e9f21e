import {
  ApiError,
  FunctionResponse,
  GoogleGenAI,
  type Content,
  type GenerateContentParameters,
  type GenerateContentResponse,
  type Part,
} from '@google/genai';
import {
  all,
  hearUntil,
  outputLimit,
  TOOLS,
  type DialectClient,
  type Heard,
  type HeardCall,
  type Target,
  type Wish,
} from './client.ts';

/** `@google/genai`, which shows its users no headers of a failure. */
export function gemini({ baseUrl, key }: Target): DialectClient {
  const { models } = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl, timeout: 20_000 } });
  return {
    name: 'google genai',
    finishes: { stop: 'STOP', tools: 'STOP', length: 'MAX_TOKENS' },
    unsupported: 'INVALID_ARGUMENT',
    lacks: new Set(),
    asksForThinking: true,
    showsThinking: true,
    failures: {
      400: { kind: 'ApiError', status: 400, code: 'INVALID_ARGUMENT' },
      429: { kind: 'ApiError', status: 429, code: 'RESOURCE_EXHAUSTED' },
      502: { kind: 'ApiError', status: 502, code: 'INTERNAL' },
      stream: { kind: 'ApiError' },
    },
    async ask(wish) {
      const body = bodyOf(wish);
      if (!wish.streamed) return heardIn([await models.generateContent(body)]);
      return heardIn(await all(await models.generateContentStream(body)));
    },
    async leave(wish, pieces) {
      const leaving = new AbortController();
      const body = bodyOf(wish);
      const stream = await models.generateContentStream({
        ...body,
        config: { ...body.config, abortSignal: leaving.signal },
      });
      async function* texts() {
        for await (const response of stream) yield textOf(partsOf(response));
      }
      return hearUntil(texts(), pieces, () => leaving.abort());
    },
    failureOf(error) {
      if (!(error instanceof ApiError)) throw error;
      const { error: stated } = statedIn(error.message);
      const delay = stated.details?.find(({ retryDelay }) => retryDelay !== undefined)?.retryDelay;
      return {
        kind: 'ApiError',
        status: error.status,
        code: stated.status,
        retryAfter: delay === undefined ? null : Number.parseFloat(delay),
      };
    },
  };
}

interface Stated {
  readonly error: { readonly status: string; readonly details?: readonly { readonly retryDelay?: string }[] };
}

/** The SDK puts the body of a failure into its message. */
function statedIn(message: string): Stated {
  return JSON.parse(message.slice(message.indexOf('{'))) as Stated;
}

function bodyOf(wish: Wish): GenerateContentParameters {
  const { model, prompt, tools, turn, image, thinking } = wish;
  const parts: Part[] = [{ text: prompt }];
  if (image !== null) parts.push({ inlineData: { mimeType: 'image/png', data: image } });
  return {
    model,
    contents: [{ role: 'user', parts }, ...turnOf(turn)],
    config: {
      systemInstruction: 'Be brief.',
      maxOutputTokens: outputLimit(wish),
      ...(tools && {
        tools: [
          {
            functionDeclarations: TOOLS.map(({ name, description, schema }) => ({
              name,
              description,
              parametersJsonSchema: schema,
            })),
          },
        ],
      }),
      ...(thinking && { thinkingConfig: { includeThoughts: true, thinkingBudget: 1_024 } }),
    },
  };
}

function turnOf(turn: Wish['turn']): Content[] {
  if (turn === null) return [];
  const { calls, text } = turn.heard;
  const named = ({ id, name }: HeardCall) => ({ ...(id !== null && { id }), name });
  const asked = calls.map((call): Part => {
    return { functionCall: { ...named(call), args: call.arguments as Record<string, unknown> } };
  });
  const given = calls.map((call): Part => {
    return {
      functionResponse: Object.assign(new FunctionResponse(), named(call), { response: { output: turn.result } }),
    };
  });
  return [
    { role: 'model', parts: [...(text === '' ? [] : [{ text }]), ...asked] },
    { role: 'user', parts: given },
  ];
}

function partsOf(response: GenerateContentResponse): readonly Part[] {
  return response.candidates?.[0]?.content?.parts ?? [];
}

function textOf(parts: readonly Part[], thought = false): string {
  return parts.map((part) => ((part.thought ?? false) === thought ? (part.text ?? '') : '')).join('');
}

function heardIn(responses: readonly GenerateContentResponse[]): Heard {
  const parts = responses.flatMap(partsOf);
  const usage = responses.at(-1)?.usageMetadata;
  return {
    text: textOf(parts),
    thinking: textOf(parts, true),
    calls: parts.flatMap(({ functionCall: call }) =>
      call ? [{ id: call.id ?? null, name: call.name ?? '', arguments: call.args }] : [],
    ),
    finish: responses.at(-1)?.candidates?.[0]?.finishReason ?? null,
    tokens: usage
      ? [usage.promptTokenCount ?? 0, (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0)]
      : null,
  };
}
