/**
 * A conversation as every dialect can state it: what a client of one dialect asks, on its way to an upstream of another.
 * Same-dialect traffic never takes this form.
 */
export interface ChatPrompt {
  /** Instructions, in order, wherever the dialect had them. */
  readonly system: readonly TextPart[];
  /** In order. Neighbours may have the same role. */
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice | null;
  /** False: at most one tool call per answer. Null: not said. */
  readonly parallelTools: boolean | null;
  readonly sampling: Sampling;
  readonly format: AnswerFormat | null;
  readonly reasoning: Reasoning | null;
  /** Output tokens that the client allows, null when it does not say. */
  readonly maxOutput: number | null;
  /** Answers wanted; 1 unless the client asks for more. */
  readonly choices: number;
  readonly streamed: boolean;
  /** The conversation that an agent platform keeps; null for a client that sends its whole history. */
  readonly session: Session | null;
}

export interface Session {
  /** Our name for it. */
  readonly id: string;
  /** The platform's name, null on the first turn. */
  readonly platformId: string | null;
}

export interface Message {
  readonly role: 'user' | 'assistant' | 'tool';
  readonly parts: readonly Part[];
}

export type Part =
  | TextPart
  | { readonly type: 'image'; readonly source: MediaSource; readonly detail: 'low' | 'high' | 'auto' | null }
  | { readonly type: 'audio'; readonly source: MediaSource }
  | { readonly type: 'file'; readonly source: MediaSource; readonly name: string | null }
  | { readonly type: 'thinking'; readonly text: string; readonly signature: string | null }
  | { readonly type: 'redactedThinking'; readonly data: string }
  | ToolCallPart
  | ToolResultPart
  | { readonly type: 'refusal'; readonly text: string };

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
  /** A cache mark behind this part, for upstreams that know them. */
  readonly cache?: '5m' | '1h';
}

/** Only in assistant messages. */
export interface ToolCallPart {
  readonly type: 'toolCall';
  readonly id: string;
  readonly name: string;
  /** JSON text of an object. */
  readonly arguments: string;
  /** Gemini's thought signature, where the client gave it back. */
  readonly signature?: string;
}

/** Only in tool messages. */
export interface ToolResultPart {
  readonly type: 'toolResult';
  readonly callId: string;
  /** The function's name; null where neither the message nor an earlier call tells it. */
  readonly name: string | null;
  readonly parts: readonly Part[];
  readonly isError: boolean;
}

export type MediaSource =
  | { readonly kind: 'inline'; readonly mime: string; /** Base64. */ readonly data: string }
  | { readonly kind: 'url'; readonly url: string; readonly mime: string | null }
  /** A file that lies with one provider; no other one can read it. */
  | { readonly kind: 'providerFile'; readonly id: string };

export interface Tool {
  readonly name: string;
  readonly description: string | null;
  /** JSON Schema; null for a function without arguments. */
  readonly parameters: JsonObject | null;
  readonly strict: boolean | null;
}

export type ToolChoice =
  { readonly kind: 'auto' | 'none' | 'required' } | { readonly kind: 'tool'; readonly name: string };

/** As the client stated it, 0–2 for temperature; null when it did not. */
export interface Sampling {
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly topK: number | null;
  readonly presencePenalty: number | null;
  readonly frequencyPenalty: number | null;
  readonly seed: number | null;
  readonly stop: readonly string[];
}

export type AnswerFormat =
  | { readonly kind: 'json' }
  | { readonly kind: 'schema'; readonly name: string; readonly schema: JsonObject; readonly strict: boolean | null };

/** How much a model may think, in whichever of the ways the client said it. */
export interface Reasoning {
  readonly effort: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max' | null;
  readonly budgetTokens: number | null;
  /** The client wants to see the thinking. */
  readonly shown: boolean;
}

export type JsonObject = Readonly<Record<string, unknown>>;
