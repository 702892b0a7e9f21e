import { z } from 'zod';
import type { Bounds, PromptToCount } from '../../call.ts';
import { hasNoTokens } from '../meteredBy.ts';

/** What one call may ask for and what its tokens are held by. The figures are OpenAI's of 2026; an operator may know better ones. */
export interface ImageLimits {
  /** gpt-image's dearest, high quality at 1536×1024, has 6 240. */
  readonly outputTokensPerImage: number;
  /** Each partial image of a stream costs so many more. */
  readonly tokensPerPartialImage: number;
  /** The dearest at high fidelity has 6 240 and some tiles. */
  readonly inputTokensPerImage: number;
}

export const IMAGE_LIMITS: ImageLimits = {
  outputTokensPerImage: 8_192,
  tokensPerPartialImage: 100,
  inputTokensPerImage: 8_192,
};

/** An estimate for an image that goes in, and for one that comes out: gpt-image's at medium quality and 1024×1024. */
const TYPICAL_INPUT = 800;
export const TYPICAL_OUTPUT = 1_056;
const TOKENS_PER_REQUEST = 64;

/** The members of `POST /v1/images/generations` that we act on, with bounds; every other one is passed through. */
export const imagesBody = z.looseObject({
  model: z.string().min(1).max(200),
  prompt: z.string().min(1).max(32_000),
  n: z.int().min(1).max(10).nullish(),
  size: z.string().max(32).nullish(),
  quality: z.string().max(32).nullish(),
  stream: z.boolean().nullish(),
  partial_images: z.int().min(0).max(3).nullish(),
});
export type ImagesBody = z.infer<typeof imagesBody>;

/** `inputs`: images that the client sends. No limit of the price book bounds the output, for no member could tell the upstream of it. */
export function imageBounds(body: ImagesBody, inputs: number, limits: ImageLimits): Bounds {
  const images = body.n ?? 1;
  if (hasNoTokens(body.model)) return { inputTokens: 0, outputTokens: 0, other: { images } };
  const perImage = limits.outputTokensPerImage + (body.partial_images ?? 0) * limits.tokensPerPartialImage;
  return {
    inputTokens: TOKENS_PER_REQUEST + Buffer.byteLength(body.prompt) + inputs * limits.inputTokensPerImage,
    outputTokens: images * perImage,
    other: { images },
  };
}

export function imagePromptToCount(body: ImagesBody, inputs: number): PromptToCount {
  if (hasNoTokens(body.model)) return { texts: [], overhead: 0 };
  return { texts: [body.prompt], overhead: inputs * TYPICAL_INPUT };
}
