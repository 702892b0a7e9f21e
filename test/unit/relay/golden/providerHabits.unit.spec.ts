import { describe, expect, it } from 'vitest';
import { CLIENTS, client } from '../../../support/golden/clients.ts';
import { MODEL } from '../../../support/golden/prompt.ts';
import { PROTOCOLS, STREAMS, TEXT } from '../../../support/golden/streams.ts';
import { TOOL_STREAMS } from '../../../support/golden/toolStreams.ts';
import { WHOLE_ANSWERS } from '../../../support/golden/wholeAnswers.ts';
import { goldenCall, type Outcome } from './goldenCall.ts';

const PAIRS = CLIENTS.flatMap((one) => PROTOCOLS.map((protocol) => [one.name, protocol] as const));
const VENDORS_NAME = 'vendor/secret-model-2026-11-20';

describe("The provider's own name for the model", () => {
  const hidden = (text: string): string => text.replaceAll(MODEL, VENDORS_NAME);

  it.each(PAIRS)('%s never hears it from %s, streamed or whole', async (name, protocol) => {
    const one = client(name);
    const { contentType, events } = STREAMS[protocol];
    const stream = { contentType, pieces: events.map(hidden) };
    const json = WHOLE_ANSWERS[protocol];
    const whole = json === undefined ? stream : { contentType: 'application/json', pieces: [hidden(json)] };
    for (const streamed of [true, false]) {
      const call = await one.call(streamed);
      const asked = { call, face: one.face(streamed), protocol, upstreamModel: VENDORS_NAME };
      const { status, body } = await goldenCall(asked, streamed ? stream : whole);
      expect(status, body).toBe(200);
      expect(body).not.toContain('secret-model');
      expect(body).toContain(call.model);
    }
  });
});

const FINISHED = STREAMS.openai.events.slice(0, -1);
const ENDS: readonly (readonly [what: string, end: readonly string[]])[] = [
  ['none', []],
  ['one without a space', ['data:[DONE]\n\n']],
  ['one as a JSON string', ['data: "[DONE]"\n\n']],
  ['one with white space around it', ['data:  [DONE] \n\n']],
  ['two', ['data: [DONE]\n\n', 'data: [DONE]\n\n']],
  ['one without its blank line', ['data: [DONE]']],
];

describe('However often and in whatever spelling an upstream says [DONE]', () => {
  it.each(ENDS)('%s: every client gets one end, and the usage before it is billed', async (_what, end) => {
    for (const one of CLIENTS) {
      const asked = { call: await one.call(true), face: one.face(true), protocol: 'openai' as const };
      const outcome = await goldenCall(asked, {
        contentType: STREAMS.openai.contentType,
        pieces: [...FINISHED, ...end],
      });
      expect(one.read(outcome.body), one.name).toMatchObject({ text: TEXT, ends: 1, errors: 0, closed: true });
      expect(outcome.usage, one.name).toEqual({ uncachedInput: 20, outputText: 60 });
    }
  });
});

/** How each dialect says that the client is to run tools; null where it does not say so, or not in words. */
const WANTS_TOOLS: Readonly<Record<string, string | null>> = {
  openai: '"finish_reason":"tool_calls"',
  hub: '"finish_reason":"tool_calls"',
  claude: '"stop_reason":"tool_use"',
  responses: '"type":"function_call"',
  'gemini sse': '"functionCall"',
  'gemini array': '"functionCall"',
  ollama: '"tool_calls"',
};

async function calledFrom(
  name: string,
  protocol: keyof typeof TOOL_STREAMS,
  events: readonly string[],
): Promise<Outcome> {
  const asked = { call: await client(name).call(true), face: client(name).face(true), protocol };
  return goldenCall(asked, { contentType: STREAMS[protocol].contentType, pieces: events });
}

describe('An answer with tool calls asks its client to run them', () => {
  it.each(Object.keys(WANTS_TOOLS))('%s, from Gemini, which says STOP', async (name) => {
    const { body } = await calledFrom(name, 'gemini', TOOL_STREAMS.gemini);
    expect(body).toContain(WANTS_TOOLS[name]);
  });

  it.each(Object.keys(WANTS_TOOLS))('%s, from Ollama, which says stop', async (name) => {
    const { body } = await calledFrom(name, 'ollama', TOOL_STREAMS.ollama);
    expect(body).toContain(WANTS_TOOLS[name]);
  });

  it.each(['claude', 'responses', 'gemini sse', 'gemini array', 'ollama'])(
    '%s, from an OpenAI-like upstream that says stop, numbers nothing and repeats ids and names',
    async (name) => {
      const { body } = await calledFrom(name, 'openai', UNNUMBERED);
      expect(body).toContain(WANTS_TOOLS[name]);
      expect(body).toContain('北京');
      expect(body).not.toContain('weatherweather');
      expect(body.split('"name":"weather"').length).toBeLessThanOrEqual(name === 'responses' ? 4 : 2);
    },
  );
});

const fragment = (id: string, name: string, json: string) => ({
  index: 0,
  delta: { tool_calls: [{ id, type: 'function', function: { name, arguments: json } }] },
  finish_reason: null,
});

const UNNUMBERED = [
  ...[
    fragment('call_a', 'weather', '{"ci'),
    fragment('call_a', 'weather', 'ty":"北京"}'),
    fragment('call_b', 'clock', '{}'),
    { index: 0, delta: {}, finish_reason: 'stop' },
  ].map((choice) => `data: ${JSON.stringify({ id: 'chatcmpl-1', model: MODEL, choices: [choice] })}\n\n`),
  'data: [DONE]\n\n',
];
