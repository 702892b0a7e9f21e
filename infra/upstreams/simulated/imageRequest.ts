import { z } from 'zod';

const LARGEST_SIDE = 4_096;

const size = z
  .string()
  .refine(
    (text) => text === 'auto' || isSize(text),
    `must be auto or WIDTHxHEIGHT, each from 1 to ${String(LARGEST_SIDE)}`,
  );

/** As much of a request for images as the simulation looks at. */
export const generationRequest = z.looseObject({
  model: z.string().min(1),
  prompt: z.string().min(1),
  n: z.int().min(1).max(10).nullish(),
  size: size.nullish(),
  quality: z.string().nullish(),
  response_format: z.enum(['url', 'b64_json']).nullish(),
  stream: z.boolean().nullish(),
  partial_images: z.int().min(0).max(3).nullish(),
});

const file = z.instanceof(Buffer).refine((bytes) => bytes.length > 0, 'is empty');

export const editRequest = generationRequest.extend({
  image: z.array(file).min(1).max(16),
  mask: z.array(file).max(1).optional(),
});

export type ImageRequest = z.infer<typeof generationRequest>;

export interface Sides {
  readonly width: number;
  readonly height: number;
}

export function sidesOf({ size: asked }: ImageRequest): Sides {
  const [width = 0, height = 0] = (stated(asked) ?? '1024x1024').split('x').map(Number);
  return { width, height };
}

/** DALL·E is sold by the image, states no tokens, and gives addresses unless asked for bytes. */
export function isDallE(model: string): boolean {
  return model.startsWith('dall-e');
}

/** The quality that is made of what was asked. */
export function qualityOf({ quality }: ImageRequest): string {
  return stated(quality) ?? 'medium';
}

/** Null for what is left to the provider. */
function stated(value: string | null | undefined): string | null {
  return value === undefined || value === 'auto' ? null : value;
}

function isSize(text: string): boolean {
  const [, width, height] = /^([1-9]\d{0,3})x([1-9]\d{0,3})$/.exec(text) ?? [];
  return width !== undefined && Number(width) <= LARGEST_SIDE && Number(height) <= LARGEST_SIDE;
}
