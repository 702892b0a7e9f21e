import { OPENAI_FACE } from '../../dialects/openai/face.ts';
import { USUAL_PLACES } from '../../http/presentedKey.ts';
import type { RelayCall } from '../../call.ts';
import type { Operation } from '../../operation.ts';
import type { Channel } from '../../ports.ts';
import { refuseOthers } from '../channels.ts';
import { withFields } from '../form/fields.ts';
import type { Form } from '../form/form.ts';
import { formRequest } from '../form/formRequest.ts';
import { readTranscript } from './transcriptionAnswer.ts';
import {
  isTextFormat,
  readTranscription,
  transcriptionBounds,
  transcriptionToCount,
  type TranscriptionRequest,
} from './transcriptionRequest.ts';

/** OpenAI takes files of 25 MB; the rest is for the other fields. */
const MAX_FORM_BYTES = 26 * 1_048_576;

export type TranscriptionKind = 'transcriptions' | 'translations';

export function transcriptions(): Operation {
  return operationOf('transcriptions');
}

export function translations(): Operation {
  return operationOf('translations');
}

function operationOf(kind: TranscriptionKind): Operation {
  return {
    path: `/v1/audio/${kind}`,
    dialect: 'openai',
    keyPlaces: USUAL_PLACES,
    maxBodyBytes: MAX_FORM_BYTES,
    bodyType: 'multipart',
    face: () => OPENAI_FACE,
    read: (raw, { headers }) => transcriptionCall(raw, headers['content-type'], kind),
  };
}

/** `POST /v1/audio/transcriptions` or `/v1/audio/translations`. Throws ApiError for a body that is not one. */
export function transcriptionCall(raw: Buffer, contentType: string | undefined, kind: TranscriptionKind): RelayCall {
  const request = readTranscription(raw, contentType, kind === 'transcriptions');
  return {
    route: `/v1/audio/${kind}`,
    model: request.model,
    streamed: request.streamed,
    raw,
    bounds: () => transcriptionBounds(request),
    promptToCount: () => transcriptionToCount(request),
    passage(channel, { requestId }) {
      refuseOthers(channel, ['openai'], kind);
      const rendered = isRendered(request, channel);
      const accept = request.streamed ? 'text/event-stream' : '*/*';
      return {
        request: formRequest(`/audio/${kind}`, sentForm(request, rendered, channel), requestId, accept),
        read: (headers) => readTranscript(request, rendered, headers),
      };
    },
  };
}

/** Whisper's text says nothing of its length, so we ask for more and write the text ourselves. */
function isRendered({ format }: TranscriptionRequest, { upstreamModel }: Channel): boolean {
  return isTextFormat(format) && /whisper/i.test(upstreamModel);
}

/** A text has no use for finer time stamps, and its segments would be missing with those of words alone. */
function sentForm({ form, streamed }: TranscriptionRequest, rendered: boolean, channel: Channel): Form {
  const stripped = channel.quirks.stripsParams.filter((member) => member !== 'model');
  return withFields(form, {
    ...Object.fromEntries(stripped.map((member) => [member, null])),
    ...(!streamed && { stream: null }),
    ...(rendered && {
      response_format: 'verbose_json',
      timestamp_granularities: null,
      'timestamp_granularities[]': null,
    }),
    model: channel.upstreamModel,
  });
}
