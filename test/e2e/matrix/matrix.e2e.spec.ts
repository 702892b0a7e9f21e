import { GoogleGenAI } from '@google/genai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { geminiVendor } from '../../support/vendors/geminiVendor.ts';
import { TEXT } from '../../support/vendors/vendorServer.ts';
import { Asking } from './asking.ts';
import { provesCell } from './cells.ts';
import { claude } from './clients/claude.ts';
import type { DialectClient, Target } from './clients/client.ts';
import { completions } from './clients/completions.ts';
import { gateway } from './clients/gateway.ts';
import { gemini } from './clients/gemini.ts';
import { hub } from './clients/hub.ts';
import { ollamaChat, ollamaGenerate } from './clients/ollama.ts';
import { openaiChat } from './clients/openaiChat.ts';
import { openaiResponses } from './clients/openaiResponses.ts';
import { FEATURES } from './features.ts';
import { provesRefusal, refusalOf, silenceOf } from './refusals.ts';
import { Matrix } from './table.ts';
import { startWorld, VENDORS, type World } from './world.ts';

/** What every cell is about is said by its place; where it is, is known only when the service runs. */
const CLIENTS: readonly ((target: Target) => DialectClient)[] = [
  openaiChat,
  openaiResponses,
  claude,
  gemini,
  completions,
  hub,
  ollamaChat,
  ollamaGenerate,
  gateway,
];
const NOWHERE: Target = { baseUrl: 'http://127.0.0.1:9', key: 'none' };

const matrix = new Matrix();
let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  process.stdout.write(`${matrix.toString()}\n${LEGEND}\n`);
  await world.close();
});

const LEGEND = [
  'pass: all that the cell promises, by fixtures of the vendor’s documented form; pass+: by aimock too',
  '400, 404: refused with this status and a code of our catalogue, before any call of the upstream',
  'none: the dialect has no words for it; mute: the platform never says so',
].join('\n');

for (const clientAt of CLIENTS) {
  const nowhere = clientAt(NOWHERE);
  const { name } = nowhere;
  // Each cell has an order of its own, so cells cannot see each other.
  describe.concurrent(`${name}, by its own client,`, () => {
    for (const vendor of VENDORS) {
      const { protocol } = vendor;
      matrix.plan(name, protocol);
      for (const feature of FEATURES) {
        const record = (outcome: string) => matrix.record(name, protocol, feature, outcome);
        const refusal = refusalOf(nowhere, vendor, feature);
        const silence = refusal ? null : silenceOf(nowhere, vendor, feature);
        if (silence !== null) record(silence);
        else if (refusal) {
          it(`is refused “${feature}” from ${protocol}`, async () => {
            record(await provesRefusal(world, clientAt(world.target), vendor, refusal));
          });
        } else {
          it(`has “${feature}” from ${protocol}`, async () => {
            record(await provesCell(world, clientAt(world.target), vendor, feature));
          });
        }
      }
    }
  });
}

describe('Google’s library, whichever version of the API it asks for,', () => {
  it.each(['v1', 'v1beta'])('is answered and told tokens: %s', async (apiVersion) => {
    const { baseUrl, key } = world.target;
    const { models } = new GoogleGenAI({ apiKey: key, apiVersion, httpOptions: { baseUrl } });
    const asking = new Asking(world, gemini(world.target), geminiVendor, 'text');
    const { model, prompt } = asking.wish({});
    expect((await models.generateContent({ model, contents: prompt })).text).toBe(TEXT.join(''));
    expect((await asking.recorded()).ending).toBe('RequestCompleted');
    expect((await models.countTokens({ model, contents: prompt })).totalTokens).toBeGreaterThan(10);
  });
});

describe('after the whole matrix', () => {
  it('every call was settled exactly once, and nothing is held', async () => {
    await world.hosted.books.eachSettledOnce();
    await world.hosted.books.nothingHeld(5_000);
  });

  it('every answer that was left at a platform with a stop of its own was stopped there', () => {
    for (const platform of ['dify', 'coze']) {
      const stops = world.server.stops.filter(({ protocol }) => protocol === platform);
      expect(stops.length, platform).toBeGreaterThanOrEqual(CLIENTS.length);
    }
  });

  it('no cell is empty', () => {
    expect(matrix.empty()).toEqual([]);
  });
});
