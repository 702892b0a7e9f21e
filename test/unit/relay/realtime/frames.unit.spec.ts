import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../services/http/errors.ts';
import { clientFrames } from '../../../../services/relay/realtime/clientFrames.ts';
import {
  doneEnding,
  isFaultOfOthers,
  leftEnding,
  relayLeaves,
  UNUSED,
} from '../../../../services/relay/realtime/endings.ts';
import { closeCodeOf, errorEvent, eventIdOf } from '../../../../services/relay/realtime/errorEvent.ts';
import { lookAt } from '../../../../services/relay/realtime/frameLook.ts';
import { ownAffair, renamed } from '../../../../services/relay/realtime/upstreamFrames.ts';

const MODEL = 'gpt-realtime';

function up(frame: string | object, simple = false) {
  const text = typeof frame === 'string' ? frame : JSON.stringify(frame);
  return clientFrames(Buffer.from(text), lookAt(text), { model: MODEL, simple }).map(({ frame: sent, asks }) => ({
    sent: sent.toString(),
    asks,
  }));
}

function refusal(frame: string | object, simple = false): ApiError {
  try {
    up(frame, simple);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('A client’s event', () => {
  it.each(['input_audio_buffer.append', 'conversation.item.truncate', 'response.cancel', 'never.heard.of'])(
    'of type %s goes up as it stands',
    (type) => {
      const frame = `{ "type":"${type}", "n": 1.50 }`;
      expect(up(frame)).toEqual([{ sent: frame, asks: false }]);
    },
  );

  it('goes up as it stands when it is none, for the upstream to say so', () => {
    expect(up('no JSON')).toEqual([{ sent: 'no JSON', asks: false }]);
  });

  it('asks for a response with response.create alone', () => {
    expect(up('{"type":"response.create"}')).toEqual([{ sent: '{"type":"response.create"}', asks: true }]);
  });

  it('loses the model that it repeats, and may name no other', () => {
    expect(up({ type: 'session.update', event_id: 'e', session: { model: MODEL, voice: 'x' } })).toEqual([
      { sent: '{"type":"session.update","event_id":"e","session":{"voice":"x"}}', asks: false },
    ]);
    for (const model of ['gpt-other', null, 7, '']) {
      expect(refusal({ type: 'session.update', session: { model } })).toMatchObject({ param: 'session.model' });
    }
  });

  it('names the model by which it wants what is said transcribed, in either spelling', () => {
    const wish = (session: object) => {
      const text = JSON.stringify({ type: 'session.update', session });
      return clientFrames(Buffer.from(text), lookAt(text), { model: MODEL, simple: false })[0]?.transcribesBy;
    };
    expect(wish({ audio: { input: { transcription: { model: 'whisper-1' } } } })).toBe('whisper-1');
    expect(wish({ input_audio_transcription: { model: 'whisper-1' } })).toBe('whisper-1');
    expect(wish({ audio: { input: { transcription: null } } })).toBeNull();
    expect(wish({ audio: { input: { turn_detection: null } } })).toBeUndefined();
    expect(refusal({ type: 'session.update', session: { input_audio_transcription: {} } })).toMatchObject({
      code: 'invalid_request',
      param: 'session.audio.input.transcription.model',
    });
  });

  it('of a session that only transcribes is refused', () => {
    expect(refusal({ type: 'transcription_session.update', session: {} }).code).toBe('unsupported_parameter');
  });

  it('with a session that is no object goes up for the upstream to refuse', () => {
    expect(up({ type: 'session.update', session: 'x' })[0]?.sent).toBe('{"type":"session.update","session":"x"}');
  });

  it('that cannot be read, or is nested too deeply, is refused where it must be read', () => {
    expect(refusal('{"type":"session.update",').code).toBe('invalid_json');
    const deep = `{"type":"session.update","session":${'['.repeat(100)}${']'.repeat(100)}}`;
    expect(refusal(deep).code).toBe('invalid_request');
  });

  it('of the simple form becomes an item and the wish for a response', () => {
    for (const type of ['message', 'message.create']) {
      const item = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] };
      expect(up({ type, message: 'hi' }, true)).toEqual([
        { sent: JSON.stringify({ type: 'conversation.item.create', item }), asks: false },
        { sent: '{"type":"response.create"}', asks: true },
      ]);
    }
    expect(refusal({ type: 'message', message: 5 }, true).param).toBe('message');
  });

  it('of the simple form asks for text unless it says what it wants', () => {
    expect(up({ type: 'session.update', session: { model: MODEL } }, true)[0]?.sent).toBe(
      '{"type":"session.update","session":{"type":"realtime","output_modalities":["text"]}}',
    );
    expect(up({ type: 'session.update', session: { modalities: ['audio'] } }, true)[0]?.sent).toBe(
      '{"type":"session.update","session":{"type":"realtime","modalities":["audio"]}}',
    );
  });

  it('of the simple form means nothing special elsewhere', () => {
    expect(up('{"type":"message","message":"hi"}')).toEqual([
      { sent: '{"type":"message","message":"hi"}', asks: false },
    ]);
  });
});

describe('An upstream’s event', () => {
  it('names the model as the client does, and nothing else is changed', () => {
    const event = { type: 'session.created', session: { model: 'theirs', id: 's' }, event_id: 'e' };
    expect(JSON.parse(renamed(event, 'session', MODEL) ?? '')).toEqual({
      ...event,
      session: { model: MODEL, id: 's' },
    });
    expect(renamed(event, 'session', null)).toBeNull();
    expect(renamed(event, 'session', 'theirs')).toBeNull();
    expect(renamed({ session: { id: 's' } }, 'session', MODEL)).toBeNull();
    expect(renamed({ session: 4 }, 'session', MODEL)).toBeNull();
  });

  it.each([
    [{ type: 'insufficient_quota', code: 'insufficient_quota', message: 'm' }, 'service_unavailable'],
    [{ type: 'invalid_request_error', code: 'invalid_api_key', message: 'm' }, 'bad_gateway'],
    [{ type: 'rate_limit_error', code: 'rate_limit_exceeded', message: 'm' }, 'upstream_rate_limited'],
  ])('about %j is our own affair', (error, code) => {
    expect(ownAffair({ type: 'error', error })?.error.code).toBe(code);
  });

  it.each([
    { type: 'invalid_request_error', code: 'invalid_value', message: 'm' },
    { type: 'server_error' },
    null,
    'x',
  ])('about %j is the client’s', (error) => {
    expect(ownAffair({ type: 'error', error })).toBeNull();
  });
});

describe('An error of ours', () => {
  it('has the form of OpenAI’s event', () => {
    const ids = { eventId: 'event_1', requestId: 'req_1', causedBy: 'mine' };
    expect(errorEvent(new ApiError('insufficient_quota'), ids)).toEqual({
      type: 'error',
      event_id: 'event_1',
      error: {
        message: 'The quota of the API key or account does not cover this call.',
        type: 'insufficient_quota',
        param: null,
        code: 'insufficient_quota',
        request_id: 'req_1',
        event_id: 'mine',
      },
    });
  });

  it('names the event that caused it only when that has a name', () => {
    expect(eventIdOf('{"event_id":"e"}')).toBe('e');
    for (const text of ['{"event_id":5}', '{}', 'x']) expect(eventIdOf(text)).toBeNull();
  });

  it('closes the session by whether another try may help', () => {
    expect(closeCodeOf(new ApiError('insufficient_quota'))).toBe(1008);
    expect(closeCodeOf(new ApiError('key_disabled'))).toBe(1008);
    expect(closeCodeOf(new ApiError('rate_limit_exceeded'))).toBe(1013);
    expect(closeCodeOf(new ApiError('gateway_timeout'))).toBe(1013);
    expect(closeCodeOf(new ApiError('internal_error'))).toBe(1011);
  });
});

describe('The end of a response', () => {
  it.each([
    [{ status: 'completed' }, { type: 'RequestCompleted', finishReason: 'completed' }],
    [
      { status: 'cancelled', status_details: { reason: 'turn_detected' } },
      { type: 'RequestCompleted', finishReason: 'turn_detected' },
    ],
    [
      { status: 'incomplete', status_details: { reason: 'max_output_tokens' } },
      { type: 'RequestCompleted', finishReason: 'max_output_tokens' },
    ],
    [{ status: 'failed' }, { type: 'RequestFailed', code: 'bad_gateway', httpStatus: 200 }],
    [{}, { type: 'RequestCompleted', finishReason: null }],
    [
      { status: 'a b', status_details: 3 },
      { type: 'RequestCompleted', finishReason: null },
    ],
  ])('of %j is recorded', (response, ending) => {
    expect(doneEnding(response)).toEqual(ending);
  });

  it('is an abort when client or relay leave, and a failure when the upstream does', () => {
    const gone = { type: 'RequestAborted', reason: 'client_gone', policy: 'cancel' };
    expect(leftEnding({ by: 'client', policy: 'cancel' })).toEqual(gone);
    expect(leftEnding({ by: 'client', policy: 'cancel' }, true)).toEqual({ ...gone, policy: null });
    expect(leftEnding({ by: 'stalled', policy: 'drain' })).toMatchObject({ reason: 'client_stalled', policy: 'drain' });
    expect(leftEnding(relayLeaves(null))).toMatchObject({ reason: 'shutdown' });
    expect(leftEnding({ by: 'upstream' })).toMatchObject({ type: 'RequestFailed', code: 'bad_gateway' });
    expect(leftEnding({ by: 'upstream' }, true)).toEqual(UNUSED);
  });

  it('is the client’s doing when it leaves, takes nothing, or has lost its key or quota, and otherwise not', () => {
    const its = (['invalid_api_key', 'key_disabled', 'insufficient_quota', 'concurrency_exceeded'] as const).map(
      (code) => relayLeaves(new ApiError(code)),
    );
    for (const leaving of [{ by: 'client', policy: null }, { by: 'stalled', policy: null }, ...its, null] as const) {
      expect(isFaultOfOthers(leaving)).toBe(false);
    }
    const others = (['internal_error', 'service_unavailable'] as const).map((code) => relayLeaves(new ApiError(code)));
    for (const leaving of [{ by: 'upstream' }, relayLeaves(null), ...others] as const) {
      expect(isFaultOfOthers(leaving)).toBe(true);
    }
  });
});
