import { describe, expect, it } from 'vitest';
import { CLIENTS, client } from '../../../support/golden/clients.ts';
import { AGENT_USAGE } from '../../../support/golden/usage/agents.ts';
import { CLAUDE_USAGE } from '../../../support/golden/usage/claude.ts';
import { GEMINI_USAGE } from '../../../support/golden/usage/gemini.ts';
import { OLLAMA_USAGE } from '../../../support/golden/usage/ollama.ts';
import { OPENAI_LIKE } from '../../../support/golden/usage/openaiLike.ts';
import type { UsageCase, UsageProvider } from '../../../support/golden/usage/provider.ts';
import { goldenCall, type Answered, type Outcome } from './goldenCall.ts';

const PROVIDERS = [...OPENAI_LIKE, CLAUDE_USAGE, GEMINI_USAGE, OLLAMA_USAGE, ...AGENT_USAGE];
const CASES = PROVIDERS.flatMap((provider) =>
  provider.cases.map((one) => [provider.name, one.what, provider, one] as const),
);
const WHOLE = CASES.filter(([, , , { streamedOnly }]) => streamedOnly !== true);
const REPORTED = CASES.filter(([, , , { source }]) => source === 'reported');

async function ask(who: string, streamed: boolean, provider: UsageProvider, answered: Answered): Promise<Outcome> {
  const { protocol, quirks } = provider;
  const asked = { call: await client(who).call(streamed), face: client(who).face(streamed), protocol };
  return goldenCall({ ...asked, ...(quirks && { quirks }) }, answered);
}

function streamOf({ streamType, stream }: UsageProvider, { states }: UsageCase): Answered {
  return { contentType: streamType, pieces: stream(states) };
}

function wholeOf(provider: UsageProvider, one: UsageCase): Answered {
  if (provider.whole === null) return streamOf(provider, one);
  return { contentType: 'application/json', pieces: [provider.whole(one.states)] };
}

function expectBilled(outcome: Outcome, { usage, source, picos, clamped = false }: UsageCase): void {
  const { ending } = outcome;
  expect(ending.type).toBe('RequestCompleted');
  expect({ usage: outcome.usage, source: outcome.source, picos: outcome.picos, clamped: outcome.clamped }).toEqual({
    ...{ usage, source, picos, clamped },
  });
}

describe('A streamed answer is billed exactly by what its provider states', () => {
  it.each(CASES)('%s states %s', async (_name, _what, provider, one) => {
    expectBilled(await ask(provider.client, true, provider, streamOf(provider, one)), one);
  });
});

describe('A whole answer is billed exactly by what its provider states', () => {
  it.each(WHOLE)('%s states %s', async (_name, _what, provider, one) => {
    expectBilled(await ask(provider.client, false, provider, wholeOf(provider, one)), one);
  });
});

describe('A stream from a provider that was asked for a whole answer, and the other way round, is billed the same', () => {
  it.each(WHOLE)('%s states %s', async (_name, _what, provider, one) => {
    expectBilled(await ask(provider.client, true, provider, wholeOf(provider, one)), one);
  });
});

describe('Which dialect the client speaks changes nothing of the bill for reported usage', () => {
  it.each(REPORTED)('%s states %s', async (_name, _what, provider, one) => {
    for (const { name } of CLIENTS) {
      expectBilled(await ask(name, true, provider, streamOf(provider, one)), one);
      if (one.streamedOnly !== true) expectBilled(await ask(name, false, provider, wholeOf(provider, one)), one);
    }
  });
});
