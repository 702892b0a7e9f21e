import { countTexts } from './countTexts.ts';
import { qualityOf, sidesOf, type ImageRequest } from './imageRequest.ts';

/** What gpt-image-1 takes for a square, an upright and a wide image: at $40 a million, $0.011 to $0.25 each, as listed. */
const OUTPUT_TOKENS: ReadonlyMap<string, readonly [square: number, upright: number, wide: number]> = new Map([
  ['low', [272, 408, 400]],
  ['medium', [1_056, 1_584, 1_568]],
  ['high', [4_160, 6_240, 6_208]],
]);
const DEAREST = [4_160, 6_240, 6_208] as const;
const TOKENS_PER_PARTIAL_IMAGE = 100;
/** The simulation's own figure, of the size that a small photograph has. */
const TOKENS_PER_INPUT = 323;

/** Usage in the shape of gpt-image. `inputs`, `outputs`: images that came and were made. */
export function imageUsage(request: ImageRequest, inputs: number, outputs: number): object {
  const text = countTexts([request.prompt]);
  const image = inputs * TOKENS_PER_INPUT;
  const output = outputs * (perImage(request) + partialImages(request) * TOKENS_PER_PARTIAL_IMAGE);
  return {
    input_tokens: text + image,
    output_tokens: output,
    total_tokens: text + image + output,
    input_tokens_details: { text_tokens: text, image_tokens: image },
  };
}

function perImage(request: ImageRequest): number {
  const { width, height } = sidesOf(request);
  const [square, upright, wide] = OUTPUT_TOKENS.get(qualityOf(request)) ?? DEAREST;
  if (width === height) return square;
  return width < height ? upright : wide;
}

/** Made for streams only. */
function partialImages({ stream, partial_images: partial }: ImageRequest): number {
  return stream === true ? (partial ?? 0) : 0;
}
