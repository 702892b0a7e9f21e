import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, vi } from 'vitest';
import { outputTokens } from '../../../events/meters.ts';
import { RETRY_AFTER, SENTENCES, type FailureStatus, type Vendor } from '../../support/vendors/vendor.ts';
import {
  ANSWERS,
  IDLE_TOOL_NAME,
  REMARK,
  TEXT,
  THOUGHT,
  TOOL_ARGUMENTS,
  TOOL_NAME,
  TOOL_RESULT,
} from '../../support/vendors/vendorServer.ts';
import { aimockUsage, isSpokenByAimock, provedByAimock } from './aimocks.ts';
import { Asking } from './asking.ts';
import type { DialectClient, Heard } from './clients/client.ts';
import type { Feature } from './features.ts';
import { PIXEL } from './pixel.ts';
import { AGENT_VENDORS, type World } from './world.ts';

const WHOLE_TEXT = TEXT.join('');
/** What we say to come back after where a vendor does not. */
const OUR_RETRY_AFTER = 5;

type As = (scene: Asking['scene']) => Asking;
type Ask = (as: As) => Promise<void>;

/** Asserts everything that one cell promises, by our fixtures and, where aimock speaks the protocol, by aimock too. */
export async function provesCell(
  world: World,
  client: DialectClient,
  vendor: Vendor,
  feature: Feature,
): Promise<string> {
  const ask = CELLS[feature];
  await ask((scene) => new Asking(world, client, vendor, scene));
  if (!provedByAimock(vendor.protocol, feature)) return 'pass';
  await ask((scene) => new Asking(world, client, vendor, scene, true));
  return 'pass+';
}

function usageOf(asking: Asking, answer: keyof typeof ANSWERS) {
  const { vendor, byAimock } = asking;
  if (byAimock && isSpokenByAimock(vendor.protocol)) return aimockUsage(vendor.protocol);
  return vendor.usage(ANSWERS[answer]);
}

const CELLS: Readonly<Record<Feature, Ask>> = {
  text: (as) => hearsText(as('text'), false),
  stream: (as) => hearsText(as('text'), true),
  tools: (as) => hearsCall(as('tool'), false),
  'tools streamed': (as) => hearsCall(as('tool'), true),
  'two tools': (as) => callsTwo(as),
  result: (as) => goesOn(as('tool'), false),
  'result streamed': (as) => goesOn(as('tool'), true),
  length: (as) => isCut(as),
  image: (as) => showsImage(as('text')),
  thinking: (as) => hearsThinking(as('thinking'), false),
  'thinking streamed': (as) => hearsThinking(as('thinking'), true),
  400: (as) => hearsFailure(as, 400),
  401: (as) => hearsFailure(as, 401),
  429: (as) => hearsFailure(as, 429),
  500: (as) => hearsFailure(as, 500),
  broken: (as) => hearsBreak(as('broken')),
  abort: (as) => leaves(as('endless')),
};

async function hearsText(asking: Asking, streamed: boolean): Promise<void> {
  const heard = await asking.ask({ streamed });
  expect(heard).toMatchObject({ text: WHOLE_TEXT, thinking: '', calls: [], finish: asking.client.finishes.stop });
  await asking.billed(heard, usageOf(asking, 'text'));
}

async function isCut(as: As): Promise<void> {
  for (const streamed of [false, true]) {
    const asking = as('cut');
    const heard = await asking.ask({ streamed });
    expect(heard).toMatchObject({ text: WHOLE_TEXT, finish: asking.client.finishes.length });
    await asking.billed(heard, usageOf(asking, 'cut'));
  }
}

async function hearsCall(asking: Asking, streamed: boolean): Promise<void> {
  await hearsCalls(asking, 'tool', streamed);
}

const CALLED = {
  tool: { text: '', calls: [{ name: TOOL_NAME, given: TOOL_ARGUMENTS }] },
  twoTools: {
    text: REMARK,
    calls: [
      { name: TOOL_NAME, given: TOOL_ARGUMENTS },
      { name: IDLE_TOOL_NAME, given: {} },
    ],
  },
} as const;

async function hearsCalls(asking: Asking, scene: keyof typeof CALLED, streamed: boolean): Promise<Heard> {
  const heard = await asking.ask({ streamed, tools: true });
  const { text, calls } = CALLED[scene];
  expect(heard).toMatchObject({ text, finish: asking.client.finishes.tools });
  expect(heard.calls.map(({ name, arguments: given }) => ({ name, given }))).toEqual(calls);
  for (const told of [TOOL_NAME, IDLE_TOOL_NAME, '"days"']) expect(asking.asked() ?? told).toContain(told);
  await asking.billed(heard, usageOf(asking, scene));
  return heard;
}

/** Answers with what was heard itself, so that ids must have survived both ways. */
async function goesOn(asking: Asking, streamed: boolean, scene: keyof typeof CALLED = 'tool'): Promise<void> {
  const first = await hearsCalls(asking, scene, streamed);
  const heard = await asking.ask({ streamed, tools: true, turn: { heard: first, result: TOOL_RESULT } });
  expect(heard).toMatchObject({ text: WHOLE_TEXT, calls: [], finish: asking.client.finishes.stop });
  for (const told of [TOOL_RESULT, TOOL_ARGUMENTS.city]) expect(asking.asked() ?? told).toContain(told);
  await asking.billed(heard, usageOf(asking, 'text'));
  expect(new Set(asking.requestIds()).size).toBe(2);
}

async function callsTwo(as: As): Promise<void> {
  for (const streamed of [false, true]) await goesOn(as('twoTools'), streamed, 'twoTools');
}

async function showsImage(asking: Asking): Promise<void> {
  const heard = await asking.ask({ image: PIXEL });
  expect(heard.text).toBe(WHOLE_TEXT);
  const [call] = asking.world.server.callsOf(asking.id);
  expect(call?.body).toContain(PIXEL);
  await asking.billed(heard, usageOf(asking, 'text'));
}

async function hearsThinking(asking: Asking, streamed: boolean): Promise<void> {
  const { client } = asking;
  const heard = await asking.ask({ streamed, thinking: true });
  const thinking = client.showsThinking ? THOUGHT : '';
  expect(heard).toMatchObject({ text: WHOLE_TEXT, thinking, calls: [], finish: client.finishes.stop });
  const asksForIt = client.asksForThinking && !AGENT_VENDORS.includes(asking.vendor);
  if (asksForIt) expect(asking.asked() ?? '"think":').toMatch(/"(?:reasoning_effort|thinking|thinkingConfig|think)":/);
  await asking.billed(heard, usageOf(asking, 'thinking'));
}

/** A vendor that rejects our own credential has failed us, not the client. */
const FAILING = { 400: 'fail400', 401: 'fail401', 429: 'fail429', 500: 'fail500' } as const;
const CLIENT_STATUS = { 400: 400, 401: 502, 429: 429, 500: 502 } as const;

async function hearsFailure(as: As, status: FailureStatus): Promise<void> {
  for (const streamed of [false, true]) {
    const asking = as(FAILING[status]);
    const { client, vendor } = asking;
    const thrown: unknown = await asking.ask({ streamed }).then(
      (heard) => Promise.reject(new Error(`heard ${JSON.stringify(heard)}`)),
      (error: unknown) => error,
    );
    const tells = !AGENT_VENDORS.includes(vendor);
    const retryAfter = status === 429 ? { retryAfter: tells ? RETRY_AFTER : OUR_RETRY_AFTER } : { retryAfter: null };
    expect(client.failureOf(thrown)).toMatchObject({ ...client.failures[CLIENT_STATUS[status]], ...retryAfter });
    const words = JSON.stringify([String(thrown), thrown]);
    expect(words).not.toContain('operators-own-secret');
    if (status === 400) expect(words).toContain(SENTENCES[400]);
    expect(await asking.recorded()).toMatchObject({ ending: 'RequestFailed', tokens: {}, picos: 0n });
    expect(asking.requestIds()).toHaveLength(1);
  }
}

async function hearsBreak(asking: Asking): Promise<void> {
  const { client } = asking;
  const thrown: unknown = await asking.ask({ streamed: true }).then(
    (heard) => Promise.reject(new Error(`heard ${JSON.stringify(heard)}`)),
    (error: unknown) => error,
  );
  expect(client.failureOf(thrown)).toMatchObject(client.failures.stream);
  const { ending, tokens } = await asking.recorded();
  expect(ending).toBe('RequestFailed');
  expect(outputTokens(tokens)).toBeGreaterThanOrEqual(countTokens(WHOLE_TEXT));
}

async function leaves(asking: Asking): Promise<void> {
  const { client, world, vendor } = asking;
  const delivered = await client.leave(asking.wish({ streamed: true }), 2);
  expect(WHOLE_TEXT.startsWith(delivered) && delivered !== '').toBe(true);
  const [call] = world.server.callsOf(asking.id);
  await call?.closed;
  const { ending, tokens } = await asking.recorded();
  expect(ending).toBe('RequestAborted');
  expect(outputTokens(tokens)).toBeGreaterThanOrEqual(countTokens(delivered));
  if (vendor.protocol !== 'dify' && vendor.protocol !== 'coze') return;
  const stopped = () => world.server.stops.some(({ protocol }) => protocol === vendor.protocol);
  await vi.waitFor(() => expect(stopped()).toBe(true), { timeout: 5_000, interval: 10 });
}
