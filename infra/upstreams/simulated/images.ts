import { hash } from 'node:crypto';
import type { Behaviour } from './directives.ts';
import { editRequest, generationRequest, isDallE, qualityOf, sidesOf, type ImageRequest } from './imageRequest.ts';
import { imageUsage } from './imageUsage.ts';
import { formOperation, jsonOperation } from './operation.ts';
import { plainPng } from './png.ts';
import { CREATED, eventAnswer, jsonAnswer, type Prepared } from './prepared.ts';
import { usageMember } from './reportedUsage.ts';
import { typedSse } from './sse.ts';

/** `POST /v1/images/generations`. */
export const imageGenerations = jsonOperation({
  schema: generationRequest,
  said: ({ prompt }) => prompt,
  answer: (request, behaviour, rest) => draw({ request, inputs: 0, events: 'image_generation' }, behaviour, rest),
});

/** `POST /v1/images/edits`. */
export const imageEdits = formOperation({
  schema: editRequest,
  said: ({ prompt }) => prompt,
  answer(request, behaviour, rest) {
    const inputs = request.image.length + (request.mask?.length ?? 0);
    return draw({ request, inputs, events: 'image_edit' }, behaviour, rest);
  },
});

interface Order {
  readonly request: ImageRequest;
  /** Images that came with it. */
  readonly inputs: number;
  /** How events of its streams are named. */
  readonly events: 'image_generation' | 'image_edit';
}

/** Draws PNG whatever format is asked for, and says so. DALL·E knows no streams. */
function draw(order: Order, behaviour: Behaviour, prompt: string): Prepared {
  const { request, inputs } = order;
  const count = request.n ?? 1;
  const images = Array.from({ length: count }, (_, index) => picture(request, index));
  if (isDallE(request.model)) return jsonAnswer(JSON.stringify(dallE(request, images, prompt)), behaviour);
  if (request.stream === true) return streamed(order, images, behaviour);
  const usage = imageUsage(request, inputs, count);
  const answer = {
    created: CREATED,
    ...described(request),
    data: images.map((bytes) => pictureMember(bytes, request.response_format ?? 'b64_json')),
    ...usageMember(usage, behaviour.usage),
  };
  return jsonAnswer(JSON.stringify(answer), behaviour);
}

function dallE(request: ImageRequest, images: readonly Buffer[], prompt: string): object {
  const revised = request.model === 'dall-e-3' ? { revised_prompt: prompt } : {};
  return {
    created: CREATED,
    data: images.map((bytes) => ({ ...revised, ...pictureMember(bytes, request.response_format ?? 'url') })),
  };
}

/** Each image as its partial ones and its whole one. Usage is of all images so far. */
function streamed({ request, inputs, events }: Order, images: readonly Buffer[], behaviour: Behaviour): Prepared {
  const shared = { created_at: CREATED, ...described(request) };
  const partial = Array.from({ length: request.partial_images ?? 0 }, (_, index) => index);
  const pieces = images.flatMap((bytes, index) => {
    const b64_json = bytes.toString('base64');
    const usage = imageUsage(request, inputs, index + 1);
    return [
      ...partial.map((place) =>
        typedSse(`${events}.partial_image`, { b64_json, partial_image_index: place, ...shared }),
      ),
      typedSse(`${events}.completed`, { b64_json, ...shared, ...usageMember(usage, behaviour.usage) }),
    ];
  });
  return eventAnswer({ before: [], pieces, after: [] }, behaviour);
}

function described(request: ImageRequest): object {
  const { width, height } = sidesOf(request);
  return {
    background: 'opaque',
    output_format: 'png',
    quality: qualityOf(request),
    size: `${String(width)}x${String(height)}`,
  };
}

function picture(request: ImageRequest, index: number): Buffer {
  const { width, height } = sidesOf(request);
  const [red = 0, green = 0, blue = 0] = hash(
    'sha256',
    JSON.stringify([request.model, request.prompt, index]),
    'buffer',
  );
  return plainPng(width, height, [red, green, blue]);
}

function pictureMember(bytes: Buffer, format: 'url' | 'b64_json'): object {
  const base64 = bytes.toString('base64');
  return format === 'url' ? { url: `data:image/png;base64,${base64}` } : { b64_json: base64 };
}
