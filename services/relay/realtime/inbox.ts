type Job = () => Promise<void> | undefined;

/**
 * What happens to a session, one thing after another in the order in which it came. `busy` is told while something has
 * to be waited for, so that both sides can be made to wait too.
 */
export class Inbox {
  readonly #jobs: Job[] = [];
  readonly #busy: (busy: boolean) => void;
  readonly #broken: (error: unknown) => Promise<void>;
  #working = false;

  /** `broken` hears what a job throws, and must not reject. */
  constructor(busy: (busy: boolean) => void, broken: (error: unknown) => Promise<void>) {
    this.#busy = busy;
    this.#broken = broken;
  }

  /** Runs the job now or after those that came before it. */
  put(job: Job): void {
    this.#jobs.push(job);
    if (!this.#working) this.#work();
  }

  #work(): void {
    this.#working = true;
    for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) {
      const waiting = this.#begin(job);
      if (!waiting) continue;
      this.#busy(true);
      void waiting
        .catch((error: unknown) => this.#broken(error))
        .then(() => {
          this.#busy(false);
          this.#work();
        });
      return;
    }
    this.#working = false;
  }

  #begin(job: Job): Promise<void> | undefined {
    try {
      return job();
    } catch (error) {
      return this.#broken(error);
    }
  }
}
