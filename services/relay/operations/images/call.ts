import { OPENAI_FACE } from '../../dialects/openai/face.ts';
import { USUAL_PLACES } from '../../http/presentedKey.ts';
import type { PassageContext, RelayCall, UpstreamRequest } from '../../call.ts';
import type { Operation } from '../../operation.ts';
import type { Channel } from '../../ports.ts';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';
import { forwardedBody, jsonRequest, refuseOthers, type OperationParts } from '../channels.ts';
import { filesIn, readFields, withFields, type FieldKinds } from '../form/fields.ts';
import { formRequest } from '../form/formRequest.ts';
import { readForm } from '../form/form.ts';
import { readImages } from './answer.ts';
import {
  IMAGE_LIMITS,
  imageBounds,
  imagePromptToCount,
  imagesBody,
  type ImageLimits,
  type ImagesBody,
} from './request.ts';
import { imageVariant } from './variant.ts';

/** Sixteen photographs of a phone, or one of the 50 MB that OpenAI takes. */
const MAX_FORM_BYTES = 64 * 1_048_576;
const MAX_IMAGES = 16;

export interface ImageParts extends OperationParts {
  readonly limits?: ImageLimits;
}

export function imageGenerations({ maxDepth, limits = IMAGE_LIMITS }: ImageParts): Operation {
  return {
    path: '/v1/images/generations',
    dialect: 'openai',
    keyPlaces: USUAL_PLACES,
    face: () => OPENAI_FACE,
    read: (raw) => imageGenerationsCall(raw, maxDepth, limits),
  };
}

export function imageEdits({ limits = IMAGE_LIMITS }: ImageParts): Operation {
  return {
    path: '/v1/images/edits',
    dialect: 'openai',
    keyPlaces: USUAL_PLACES,
    maxBodyBytes: MAX_FORM_BYTES,
    bodyType: 'multipart',
    face: () => OPENAI_FACE,
    read: (raw, { headers }) => imageEditsCall(raw, headers['content-type'], limits),
  };
}

/** `POST /v1/images/generations`. Throws ApiError for a body that is not one. */
export function imageGenerationsCall(raw: Buffer, maxDepth: number, limits: ImageLimits = IMAGE_LIMITS): RelayCall {
  const body = readJsonBody(raw, maxDepth, imagesBody, OUR_MEMBERS);
  return imageCall(raw, body, 'generations', 0, limits, (channel) =>
    jsonRequest(
      '/images/generations',
      forwardedBody(raw, body, channel, { model: channel.upstreamModel }),
      acceptOf(body),
    ),
  );
}

const OUR_MEMBERS = spellingOf(Object.keys(imagesBody.shape));

const FIELDS: FieldKinds = {
  model: 'text',
  prompt: 'text',
  n: 'whole',
  size: 'text',
  quality: 'text',
  stream: 'flag',
  partial_images: 'whole',
};

/** `POST /v1/images/edits`. Throws ApiError for a body that is not one. */
export function imageEditsCall(
  raw: Buffer,
  contentType: string | undefined,
  limits: ImageLimits = IMAGE_LIMITS,
): RelayCall {
  const form = readForm(raw, contentType);
  const body = readFields(form, FIELDS, imagesBody);
  const inputs = filesIn(form, 'image', 1, MAX_IMAGES).length + filesIn(form, 'mask', 0, 1).length;
  return imageCall(raw, body, 'edits', inputs, limits, (channel, { requestId }) => {
    const stripped = Object.fromEntries(channel.quirks.stripsParams.map((member) => [member, null]));
    const sent = withFields(form, { ...stripped, model: channel.upstreamModel });
    return formRequest('/images/edits', sent, requestId, acceptOf(body));
  });
}

function imageCall(
  raw: Buffer,
  body: ImagesBody,
  operation: 'generations' | 'edits',
  inputs: number,
  limits: ImageLimits,
  request: (channel: Channel, context: PassageContext) => UpstreamRequest,
): RelayCall {
  const events = operation === 'edits' ? 'image_edit' : 'image_generation';
  return {
    route: `/v1/images/${operation}`,
    model: body.model,
    streamed: body.stream === true,
    raw,
    variant: imageVariant(body),
    bounds: () => imageBounds(body, inputs, limits),
    promptToCount: () => imagePromptToCount(body, inputs),
    passage(channel, context) {
      refuseOthers(channel, ['openai'], 'images');
      return { request: request(channel, context), read: (headers) => readImages(body, events, headers) };
    },
  };
}

function acceptOf(body: ImagesBody): string {
  return body.stream === true ? 'text/event-stream' : 'application/json';
}
