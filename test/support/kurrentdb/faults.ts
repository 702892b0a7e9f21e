/** What becomes of the answer to an append that was applied. */
export type Answering = 'sent' | 'lost' | 'cut';

/** What goes wrong on a fake server, when a test says so. */
export class Faults {
  /** Every request waits this long first. */
  delayMs = 0;
  /** Subscriptions are confirmed, and then nothing is sent on them. */
  subscriptionsAreMute = false;
  #hanging: PromiseWithResolvers<null> | null = null;
  readonly #answers: Answering[] = [];

  /** Connections are accepted and nothing is answered. What arrives waits, and is worked off after `resume`. */
  hang(): void {
    this.#hanging ??= Promise.withResolvers<null>();
  }

  resume(): void {
    this.#hanging?.resolve(null);
    this.#hanging = null;
  }

  /** The coming appends are applied; their answers are lost, or the connection is cut instead, in the order given. */
  answerNext(...answers: readonly Answering[]): void {
    this.#answers.push(...answers);
  }

  nextAnswer(): Answering {
    return this.#answers.shift() ?? 'sent';
  }

  /** Every request passes here before it is looked at. */
  async gate(): Promise<void> {
    while (this.#hanging) await this.#hanging.promise;
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
  }
}
