import { isObject } from '../../wire/json.ts';
import { stringEnd } from '../../wire/memberNames.ts';
import { asksForSignatures, signed } from './promptContents.ts';
import type { GeminiContent, GeminiRequest } from './request.ts';

const QUOTE = 0x22;
const COLON = 0x3a;

/**
 * The body for a Gemini upstream: the client's own bytes where they state `maxOutput` already; otherwise rewritten, so
 * that an answer cannot outgrow its hold. Rewritten too are bodies that upstreams may read otherwise than we do: with a
 * member that stands twice, with a model beside that of the path, with instructions that are a bare string; and, for
 * models that ask for thought signatures, conversations with calls that another provider made.
 */
export function upstreamBody({ body, raw }: GeminiRequest, maxOutput: number, upstreamModel: string): Buffer {
  const { model, systemInstruction, generationConfig, contents: stated, ...rest } = body;
  const contents = asksForSignatures(upstreamModel) ? stated.map(signedTurn) : stated;
  const isUnsigned = contents.some((turn, index) => turn !== stated[index]);
  const isPlain = model === undefined && typeof systemInstruction !== 'string' && !isUnsigned;
  if (isPlain && generationConfig?.maxOutputTokens === maxOutput && !repeatsMembers(raw, body)) return raw;
  const instruction =
    typeof systemInstruction === 'string' ? { parts: [{ text: systemInstruction }] } : systemInstruction;
  const rewritten = {
    ...rest,
    contents,
    ...(instruction && { systemInstruction: instruction }),
    generationConfig: { ...generationConfig, maxOutputTokens: maxOutput },
  };
  return Buffer.from(JSON.stringify(rewritten));
}

/** The turn itself where its calls are signed, or it has none. */
function signedTurn(turn: GeminiContent): GeminiContent {
  const first = turn.parts?.find(({ functionCall }) => functionCall);
  return !first || first.thoughtSignature ? turn : { ...turn, parts: signed(turn.parts ?? []) };
}

/** A parser keeps one of several members of the same name, so fewer than there are in the text. */
function repeatsMembers(raw: Buffer, body: object): boolean {
  return colonsIn(raw.toString('utf8')) !== membersIn(body);
}

/** Outside of strings: one for each member. */
function colonsIn(source: string): number {
  let colons = 0;
  for (let index = 0; index < source.length; index += 1) {
    const code = source.charCodeAt(index);
    if (code === QUOTE) index = stringEnd(source, index) - 1;
    else if (code === COLON) colons += 1;
  }
  return colons;
}

function membersIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + membersIn(item), 0);
  if (!isObject(value)) return 0;
  return Object.values(value).reduce<number>((sum, item) => sum + 1 + membersIn(item), 0);
}
