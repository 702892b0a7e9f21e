import { ScriptedUpstream, type ScriptedCall } from '../scriptedUpstream.ts';
import type { FailureStatus, Vendor, VendorAnswer } from './vendor.ts';

/** How a vendor is to meet a call; the prompt says it. */
export type Scene = keyof typeof ANSWERS | 'broken' | 'endless' | `fail${FailureStatus}`;

export interface Order {
  readonly scene: Scene;
  readonly id: number;
}

/** What stands in a prompt so that the vendor knows what to do. JSON needs no escapes for it. */
export function orderText({ scene, id }: Order): string {
  return `[[${scene}-${String(id)}]]`;
}

export const TEXT = ['Guten Tag, ', '世界', ' 🌍 — ', 'naïve café', '!'] as const;
export const THOUGHT = 'First the wörld, then 答え.';
export const TOOL_NAME = 'get_weather';
export const TOOL_ARGUMENTS = { city: 'Łódź', days: 2, note: 'a "quoted" word' };
/** A tool without arguments, and what is said before both are called. */
export const IDLE_TOOL_NAME = 'get_time';
export const REMARK = 'Let me look. ';
/** A tool's result, by which a vendor knows that it is to answer now. */
export const TOOL_RESULT = 'Rain at 7 degrees';

const PLAIN: VendorAnswer = { thinking: '', text: TEXT, calls: [], cut: false };
const CALL = { name: TOOL_NAME, arguments: TOOL_ARGUMENTS };

export const ANSWERS = {
  text: PLAIN,
  cut: { ...PLAIN, cut: true },
  thinking: { ...PLAIN, thinking: THOUGHT },
  tool: { ...PLAIN, text: [], calls: [CALL] },
  twoTools: { ...PLAIN, text: [REMARK], calls: [CALL, { name: IDLE_TOOL_NAME, arguments: {} }] },
} as const satisfies Readonly<Record<string, VendorAnswer>>;

/** Small enough to cut every event, and to cut within characters. */
const PIECE_BYTES = 61;

/** One server that speaks as several vendors, each below a path of its own, and remembers what it was asked. */
export class VendorServer {
  readonly #upstream: ScriptedUpstream;
  readonly #vendors: ReadonlyMap<string, Vendor>;
  readonly #calls = new Map<number, ScriptedCall[]>();
  /** Calls that ask to stop an answer, by the vendor's protocol. */
  readonly stops: { readonly protocol: string; readonly path: string }[] = [];

  static async start(vendors: readonly Vendor[]): Promise<VendorServer> {
    return new VendorServer(await ScriptedUpstream.start(), vendors);
  }

  private constructor(upstream: ScriptedUpstream, vendors: readonly Vendor[]) {
    this.#upstream = upstream;
    this.#vendors = new Map(vendors.map((vendor) => [vendor.protocol, vendor]));
    upstream.otherwise((call) => this.#play(call));
  }

  baseUrl({ protocol, basePath }: Vendor): string {
    return `${this.#upstream.origin}/${protocol}${basePath}`;
  }

  /** The calls that an order has made, in their order. */
  callsOf(id: number): readonly ScriptedCall[] {
    return this.#calls.get(id) ?? [];
  }

  async close(): Promise<void> {
    await this.#upstream.close();
  }

  async #play(call: ScriptedCall): Promise<void> {
    const protocol = call.path.split('/')[1] ?? '';
    const vendor = this.#vendors.get(protocol);
    if (!vendor) throw new Error(`nobody speaks at ${call.path}`);
    if (/\/(?:stop|cancel)$/.test(call.path)) {
      this.stops.push({ protocol, path: call.path });
      call.answer(200, { result: 'success', code: 0 });
      return;
    }
    const { scene, id } = orderIn(call.body);
    this.#calls.set(id, [...this.callsOf(id), call]);
    await perform(scene, vendor, call);
  }
}

function orderIn(body: string): Order {
  const [, scene, id] = /\[\[(\w+)-(\d+)\]\]/.exec(body) ?? [];
  if (scene === undefined) throw new Error(`no order in ${body}`);
  return { scene: scene as Scene, id: Number(id) };
}

async function perform(scene: Scene, vendor: Vendor, call: ScriptedCall): Promise<void> {
  switch (scene) {
    case 'text':
    case 'cut':
    case 'thinking':
      await answer(vendor, call, ANSWERS[scene]);
      return;
    case 'tool':
    case 'twoTools':
      await answer(vendor, call, call.body.includes(TOOL_RESULT) ? ANSWERS.text : ANSWERS[scene]);
      return;
    case 'broken':
      await begin(vendor, call);
      await call.write(vendor.streamFailure);
      call.end();
      return;
    case 'endless':
      await begin(vendor, call);
      await call.closed;
      return;
    case 'fail400':
    case 'fail401':
    case 'fail429':
    case 'fail500': {
      const { status, body, headers } = vendor.failure(Number(scene.slice(4)) as FailureStatus);
      call.answer(status, body, headers);
    }
  }
}

async function answer(vendor: Vendor, call: ScriptedCall, said: VendorAnswer): Promise<void> {
  if (!vendor.streams(call)) {
    call.answer(200, vendor.whole(said));
    return;
  }
  const { begun, ended } = vendor.stream(said);
  call.head(200, { 'content-type': vendor.contentType });
  await call.writeInPieces([...begun, ...ended].join(''), PIECE_BYTES);
  call.end();
}

async function begin(vendor: Vendor, call: ScriptedCall): Promise<void> {
  call.head(200, { 'content-type': vendor.contentType });
  for (const piece of vendor.stream(ANSWERS.text).begun) await call.write(piece);
}
