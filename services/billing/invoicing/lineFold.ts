import { createHash } from 'node:crypto';
import type { InvoiceLine } from '../../../events/invoice/invoice.events.ts';
import { roundToMinorUnits, type Picos } from '../../../events/money.ts';
import type { LineIdentity } from '../ports.ts';

/** One invoice line while its facts come in, in ascending order of request id. Holds no ids: they go into the hash as they come. */
export class LineFold {
  readonly identity: LineIdentity;
  readonly unitPrice: bigint;
  readonly #requests = createHash('sha256');
  #quantity = 0n;
  #requestCount = 0;
  #lastRequestId = '';

  constructor(identity: LineIdentity, unitPrice: bigint) {
    this.identity = identity;
    this.unitPrice = unitPrice;
  }

  add(requestId: string, quantity: number): void {
    this.#quantity += BigInt(quantity);
    if (requestId === this.#lastRequestId) return;
    this.#lastRequestId = requestId;
    this.#requestCount += 1;
    this.#requests.update(`${requestId}\n`);
  }

  /** Quantity × unit price, exactly. */
  get exact(): Picos {
    return this.#quantity * this.unitPrice;
  }

  /** The finished line; call once. `quantity` is past 2⁵³ − 1 only where `isCountable` is false. */
  finish(line: number): InvoiceLine {
    const { keyId, model, meter, priceVersion, currency } = this.identity;
    return {
      line,
      keyId,
      model,
      meter,
      priceVersion,
      quantity: Number(this.#quantity),
      unitPriceMicrosPerMillion: Number(this.unitPrice),
      exactPicos: this.exact.toString(),
      amount: roundToMinorUnits(this.exact, currency).toString(),
      requestCount: this.#requestCount,
      requestsHash: this.#requests.digest('hex'),
    };
  }

  /** False when the quantity is too large to be stated as a number. */
  get isCountable(): boolean {
    return Number.isSafeInteger(Number(this.#quantity));
  }
}
