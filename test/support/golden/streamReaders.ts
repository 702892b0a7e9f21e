/** What a client of some dialect makes of a stream. */
export interface ReadStream {
  readonly text: string;
  readonly thinking: string;
  /** Signs of a whole answer: `[DONE]`, `message_stop`, a done line, a finish reason. */
  readonly ends: number;
  readonly errors: number;
  /** The last thing of the stream is its end or an error. */
  readonly closed: boolean;
}

type Json = Readonly<Record<string, unknown>>;
type Kind = 'end' | 'error' | 'content';

interface Piece {
  readonly kind: Kind;
  readonly text?: string;
  readonly thinking?: string;
}

/** Reads a stream as strictly as a client's own library does, and throws where that would. */
export type StreamReader = (body: string) => ReadStream;

function folded(pieces: readonly Piece[]): ReadStream {
  const of = (kind: Kind) => pieces.filter((piece) => piece.kind === kind).length;
  const last = pieces.at(-1)?.kind;
  return {
    text: pieces.map(({ text }) => textIn(text)).join(''),
    thinking: pieces.map(({ thinking }) => textIn(thinking)).join(''),
    ends: of('end'),
    errors: of('error'),
    closed: last === 'end' || last === 'error',
  };
}

/** What an upstream has said is passed on as it is, and need not be text. */
function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** One JSON value per event, `data: ` and nothing else; `[DONE]` at the end. `errorIn`: whether a value is an error. */
export function chunkReader(errorIn: (value: Json) => boolean, asciiOnly = false): StreamReader {
  return (body) => {
    // eslint-disable-next-line no-control-regex -- every character that is not ASCII
    if (asciiOnly && /[^\x00-\x7f]/.test(body)) throw new Error('a character beyond ASCII');
    const pieces = blocksOf(body, '\n\n').map((block): Piece => {
      const data = /^data: ([^\r\n]*)$/.exec(block)?.[1];
      if (data === undefined) throw new Error(`not one data line: ${block}`);
      if (data === '[DONE]') return { kind: 'end' };
      const value = JSON.parse(data) as Json;
      if (errorIn(value)) return { kind: 'error' };
      const [choice] = value['choices'] as { text?: string; delta?: Record<string, string | null> }[];
      const { delta } = choice ?? {};
      const thinking = delta?.['reasoning_content'] ?? '';
      return { kind: 'content', text: choice?.text ?? delta?.['content'] ?? '', thinking };
    });
    return folded(pieces);
  };
}

export const readClaude: StreamReader = (body) => {
  let open: unknown = null;
  const pieces = namedEvents(body).map(([type, data]): Piece => {
    if (type === 'message_stop') return { kind: 'end' };
    if (type === 'error') return { kind: 'error' };
    if (type === 'content_block_start') {
      if (open !== null) throw new Error('a block began inside another');
      open = data['index'];
    } else if (type === 'content_block_stop') {
      if (open !== data['index']) throw new Error('a block ended that was not open');
      open = null;
    } else if (type === 'content_block_delta' && open !== data['index']) throw new Error('a delta outside its block');
    const delta = (data['delta'] ?? {}) as { text?: string; thinking?: string };
    return { kind: 'content', text: delta.text ?? '', thinking: delta.thinking ?? '' };
  });
  return folded(pieces);
};

export const readResponses: StreamReader = (body) => {
  let expected: number | null = null;
  const pieces = namedEvents(body).map(([type, data]): Piece => {
    if (type === 'error') return { kind: 'error' };
    const number = data['sequence_number'] as number;
    if (expected !== null && number !== expected) throw new Error(`event ${String(number)} is out of its sequence`);
    expected = number + 1;
    if (type === 'response.completed' || type === 'response.incomplete') return { kind: 'end' };
    const delta = data['delta'] as string;
    if (type === 'response.output_text.delta') return { kind: 'content', text: delta };
    return { kind: 'content', ...(type.startsWith('response.reasoning') && delta && { thinking: delta }) };
  });
  return folded(pieces);
};

/** Google's SDK reads `data:` blocks, and an error as a bare one. */
export const readGeminiEvents: StreamReader = (body) => {
  const items = blocksOf(body, '\r\n\r\n').map((block) => {
    if (/[\r\n]/.test(block)) throw new Error(`not one line: ${block}`);
    const value = JSON.parse(block.replace(/^data: /, '')) as Json;
    if (block.startsWith('data: ') === Object.hasOwn(value, 'error')) throw new Error(`in the wrong frame: ${block}`);
    return value;
  });
  return folded(items.map(geminiPiece));
};

export const readGeminiArray: StreamReader = (body) => folded((JSON.parse(body) as Json[]).map(geminiPiece));

function geminiPiece(value: Json): Piece {
  if (value['error']) return { kind: 'error' };
  const [candidate] = (value['candidates'] ?? []) as {
    finishReason?: string;
    content?: { parts?: { text?: string; thought?: boolean }[] };
  }[];
  const parts = candidate?.content?.parts ?? [];
  const said = (thought: boolean) =>
    parts.map((part) => ((part.thought ?? false) === thought ? (part.text ?? '') : '')).join('');
  return { kind: candidate?.finishReason ? 'end' : 'content', text: said(false), thinking: said(true) };
}

export const readOllama: StreamReader = (body) =>
  folded(
    blocksOf(body, '\n').map((line): Piece => {
      const value = JSON.parse(line) as { done?: boolean; error?: string; message?: Record<string, string> };
      if (value.error !== undefined) return { kind: 'error' };
      const { content = '', thinking = '' } = value.message ?? {};
      return { kind: value.done === true ? 'end' : 'content', text: content, thinking };
    }),
  );

function namedEvents(body: string): (readonly [type: string, data: Json])[] {
  return blocksOf(body, '\n\n').map((block) => {
    const [, name = '', text = ''] = /^event: ([\w.]+)\ndata: ([^\r\n]*)$/.exec(block) ?? [];
    const data = JSON.parse(text) as Json;
    if (data['type'] !== name) throw new Error(`named ${name}: ${block}`);
    return [name, data];
  });
}

function blocksOf(body: string, separator: string): string[] {
  const blocks = body.split(separator);
  if (blocks.pop() !== '') throw new Error(`the last event is not ended: ${JSON.stringify(body.slice(-80))}`);
  return blocks;
}
