import { ApiError } from '../../http/errors.ts';
import { isObject, type Json } from '../wire/json.ts';
import { modelName } from './handshake.ts';

/** Where GA sessions name the model; errors about either spelling name this. */
export const TRANSCRIPTION_PARAM = 'session.audio.input.transcription.model';

/**
 * The model by which a client wants to have transcribed what is said: null for none, undefined where its session says
 * nothing of it. A wish without a model would leave the price to the upstream. Throws ApiError for that, and for two
 * models in the two spellings.
 */
export function wantedTranscription(session: Json): string | null | undefined {
  const models = transcriptionsIn(session).map((wanted) => (wanted === null ? null : nameIn(wanted)));
  if (new Set(models).size > 1) throw refusal('must be the same wherever it stands');
  return models[0];
}

/**
 * The model by which an upstream says that it transcribes: null for none, empty for one that it does not name, undefined
 * where it says nothing of it.
 */
export function statedTranscription(session: Json): string | null | undefined {
  const [stated] = transcriptionsIn(session);
  if (stated === null || stated === undefined) return stated;
  return (isObject(stated) && modelName(stated['model'])) || '';
}

/** An event for an upstream that transcribes by itself what nobody can be billed for. */
export const TRANSCRIBE_NOTHING = JSON.stringify({
  type: 'session.update',
  session: { type: 'realtime', audio: { input: { transcription: null } } },
});

/** What stands in the places of GA and of the beta, in this order, where anything does. */
function transcriptionsIn(session: Json): readonly unknown[] {
  const audio = isObject(session['audio']) ? session['audio'] : {};
  const input = isObject(audio['input']) ? audio['input'] : {};
  return [input['transcription'], session['input_audio_transcription']].filter((stated) => stated !== undefined);
}

function nameIn(wanted: unknown): string {
  const model = isObject(wanted) ? modelName(wanted['model']) : null;
  if (model === null) throw refusal('must name the model that transcribes');
  return model;
}

function refusal(problem: string): ApiError {
  return new ApiError('invalid_request', {
    detail: `${TRANSCRIPTION_PARAM}: ${problem}`,
    param: TRANSCRIPTION_PARAM,
  });
}
