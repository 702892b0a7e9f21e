import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { totalTokens } from '../../../events/meters.ts';
import { chunk, sse, usageChunk } from '../../unit/relay/chatFixtures.ts';
import { JSON_HEAD, settleDown, startExchange } from '../../unit/relay/exchangeHarness.ts';

const count = fc.nat(3_000);
const usage = fc.record({ prompt_tokens: count, completion_tokens: count }, { requiredKeys: [] });
const ANSWER = JSON.stringify({ choices: [{ message: { content: 'a b' } }], usage: { prompt_tokens: 4 } });

type Running = ReturnType<typeof startExchange>;
type Step = readonly [name: string, act: (call: Running) => unknown];
const step = (name: string, act: (call: Running) => unknown) => fc.constant<Step>([name, act]);
const piece = (name: string, bytes: Buffer | string) => step(name, (call) => call.current().data(bytes));

const CONTENT = sse(chunk({ delta: { content: 'word ' } }));
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: piece('content', CONTENT) },
  { weight: 3, arbitrary: step('head', (call) => call.current().head()) },
  { weight: 2, arbitrary: usage.map((said): Step => ['usage', (call) => call.current().data(sse(usageChunk(said)))]) },
  piece('finish', sse(chunk({ finish: 'stop' }))),
  piece('done', sse('[DONE]')),
  piece('half an event', 'data: {"choices"'),
  piece('error', sse({ error: { code: 500 } })),
  step('answer', (call) => call.current().head(200, JSON_HEAD).data(ANSWER).end()),
  step('refusal', (call) => call.current().head(429, JSON_HEAD).data('{}').end()),
  step('end', (call) => call.current().end()),
  fc
    .constantFrom('cut', 'timeout', 'unreachable', 'overloaded', 'oversize')
    .map((kind): Step => [kind, (call) => call.current().fail(kind)]),
  step('client leaves', (call) => call.leave()),
  step('shutdown', (call) => call.client.leave('shutdown')),
  step('stall', (call) => call.client.leave('client_stalled')),
  step('time passes', (call) => call.timers.advance(12_000)),
  step('a pause for breath', settleDown),
);

describe('Whatever an upstream and a client do, in whatever order', () => {
  it('a call ends with one settlement, its slot free, and delivered ≤ billed ≤ held', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(steps, { maxLength: 14 }),
        fc.record({
          stream: fc.boolean(),
          clientGone: fc.constantFrom('cancel' as const, 'drain' as const),
          channels: fc.integer({ min: 1, max: 3 }),
          outputBound: fc.constantFrom(2, 500),
          usageWanted: fc.boolean(),
          queued: fc.boolean(),
        }),
        async (script, { stream, clientGone, channels, outputBound, usageWanted, queued }) => {
          const call = startExchange({
            body: { stream, ...(usageWanted ? { stream_options: { include_usage: true } } : {}) },
            channels: Array.from({ length: channels }, () => ({ clientGone })),
            outputBound,
            queued,
          });
          for (const [, act] of script) await act(call);
          while (call.appends.length === 0) {
            call.current().fail('timeout');
            await settleDown();
          }
          await call.done;

          const { usage: recorded, ended } = call.settled();
          const delivered = call.sent().body.split('word ').length - 1;
          const output = recorded.usage.outputText ?? 0;
          expect(Math.min(delivered, outputBound)).toBeLessThanOrEqual(output);
          expect(totalTokens(recorded.usage)).toBeLessThanOrEqual(call.accepted.heldTokens);
          expect(BigInt(recorded.amountPicos)).toBeLessThanOrEqual(BigInt(call.accepted.heldPicos));
          expect(recorded.source === 'none').toBe(call.told.includes('idempotency forgotten'));
          if (ended.type === 'RequestFailed' && delivered === 0 && ended.httpStatus !== 200) {
            expect(recorded.amountPicos).toBe('0');
          }
          if (!call.attempts.some(({ sent }) => sent)) expect(recorded.source).toBe('none');
          expect(call.told.filter((what) => what === 'slot freed')).toHaveLength(1);
          expect(call.timers.pending).toBe(0);
          const stays = !script.some(([name]) => name === 'client leaves');
          const completed = stream && ended.type === 'RequestCompleted';
          if (stays || !completed) expect(call.sent().body.includes('[DONE]')).toBe(completed);
        },
      ),
      { numRuns: 600 },
    );
  });
});
