import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, vi } from 'vitest';
import { inputTokens, outputTokens, totalTokens, type UsageVector } from '../../../events/meters.ts';
import type { RecordedCall } from '../../support/books.ts';
import { orderText, type Scene } from '../../support/vendors/vendorServer.ts';
import type { Vendor } from '../../support/vendors/vendor.ts';
import { isSpokenByAimock } from './aimocks.ts';
import type { DialectClient, Heard, Wish } from './clients/client.ts';
import { picosOf } from './prices.ts';
import { aimockModelOf, modelOf, type World } from './world.ts';

let orders = 0;

const ESTIMATED = { source: 'estimated', countsText: true };

/** One place of the matrix where something is asked: a client, and the vendor by our fixtures or by aimock. */
export class Asking {
  readonly world: World;
  readonly client: DialectClient;
  readonly vendor: Vendor;
  readonly byAimock: boolean;
  readonly scene: Scene;
  readonly id: number;

  constructor(world: World, client: DialectClient, vendor: Vendor, scene: Scene, byAimock = false) {
    this.world = world;
    this.client = client;
    this.vendor = vendor;
    this.scene = scene;
    this.byAimock = byAimock;
    this.id = orders += 1;
  }

  wish(wish: Partial<Wish>): Wish {
    const { protocol } = this.vendor;
    return {
      model: this.byAimock ? aimockModelOf(protocol) : modelOf(this.vendor),
      prompt: `What is the weather like, and will it stay so? ${orderText(this)}`,
      streamed: false,
      tools: false,
      turn: null,
      image: null,
      thinking: false,
      ...wish,
    };
  }

  ask(wish: Partial<Wish>): Promise<Heard> {
    return this.client.ask(this.wish(wish));
  }

  /** Our ids of the calls that reached the vendor, in their order; each was told to it. */
  requestIds(): readonly string[] {
    const { protocol } = this.vendor;
    if (this.byAimock && isSpokenByAimock(protocol)) {
      return this.world.aimocks.requestIds(protocol, orderText(this));
    }
    return this.world.server.callsOf(this.id).map(({ headers }) => String(headers['x-request-id']));
  }

  /** The body of the latest call, as the vendor got it; null for aimock, which keeps only what it understood. */
  asked(): string | null {
    return this.byAimock ? null : (this.world.server.callsOf(this.id).at(-1)?.body ?? '');
  }

  /** The record of the latest call, once it has ended: accepted, metered and ended exactly once. */
  async recorded(): Promise<RecordedCall> {
    const requestId = this.requestIds().at(-1);
    if (requestId === undefined) throw new Error('the vendor was not asked');
    const call = await vi.waitFor(
      async () => {
        const found = await this.world.hosted.books.call(requestId);
        if (!found || found.endings === 0) throw new Error(`the call ${requestId} has no end in the record`);
        return found;
      },
      { timeout: 10_000, interval: 10 },
    );
    const { accepted, usages, endings, corrections } = call;
    expect({ accepted, usages, endings, corrections }).toEqual({ accepted: 1, usages: 1, endings: 1, corrections: 0 });
    expect(call.picos).toBe(picosOf(call.tokens));
    expect(totalTokens(call.tokens)).toBeLessThanOrEqual(call.heldTokens);
    expect(call.picos).toBeLessThanOrEqual(call.heldPicos);
    return call;
  }

  /** Asserts that what was heard is what was billed, and that this is `usage`; null where the vendor reports none. */
  async billed({ tokens: heard, text }: Heard, usage: UsageVector | null): Promise<void> {
    const { tokens, source, ending } = await this.recorded();
    expect(ending).toBe('RequestCompleted');
    expect(heard).toEqual([inputTokens(tokens), outputTokens(tokens)]);
    if (usage) expect({ tokens, source }).toEqual({ tokens: usage, source: 'reported' });
    else expect({ source, countsText: countTokens(text) <= outputTokens(tokens) }).toEqual(ESTIMATED);
  }
}
