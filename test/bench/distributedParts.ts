import { KafkaDistributionLog } from '../../infra/kafka/kafkaDistributionLog.ts';
import { PostgresLeaderLock } from '../../infra/postgres/leaderLock.ts';
import { PostgresPublisherCheckpoints } from '../../infra/postgres/publisherCheckpoints.ts';
import { Publisher } from '../../services/publisher/publisher.ts';
import type { Core } from '../../services/wiring/core.ts';
import { openReadModels } from '../../services/wiring/readModels.ts';

const PARTITIONS = 12;
const PATIENCE_MS = 600_000;

export interface Pace {
  readonly events: number;
  readonly perSecond: number;
}

/** The publisher and the projections behind Kafka, each timed on the whole log, and then both together under load. */
export class DistributedParts {
  readonly #core: Core;
  readonly #log: KafkaDistributionLog;
  #sampling: Promise<readonly number[]> = Promise.resolve([]);
  #stopSampling = false;

  static async open(core: Core, brokers: string): Promise<DistributedParts> {
    const topic = `bench-${core.runtime.ids.uuid()}`;
    const options = { brokers: [brokers], topic, partitions: PARTITIONS, log: core.runtime.log };
    return new DistributedParts(core, await KafkaDistributionLog.open(options), topic);
  }

  readonly #topic: string;
  private constructor(core: Core, log: KafkaDistributionLog, topic: string) {
    this.#core = core;
    this.#log = log;
    this.#topic = topic;
  }

  /** Publishes the whole log. */
  async publish(): Promise<Pace> {
    const head = await this.#core.store.head();
    const publisher = this.#publisher();
    return this.#timed(head, async () => {
      publisher.start();
      while (((await publisher.status()).position ?? 0n) < head)
        await new Promise((resolve) => setTimeout(resolve, 20));
      await publisher.stop();
    });
  }

  /** Fills all read models from the topic. */
  async project(): Promise<Pace> {
    const head = await this.#core.store.head();
    let close: () => Promise<void> = () => Promise.resolve();
    return this.#timed(head, async () => {
      const readModels = await openReadModels(this.#core, this.#log);
      close = () => readModels.close();
      await readModels.caughtUp(head, undefined, PATIENCE_MS);
    }).finally(() => close());
  }

  /** From here on publisher and projections run; how long an event takes into the last read model is measured again and again. */
  async follow(): Promise<void> {
    const publisher = this.#publisher();
    publisher.start();
    const readModels = await openReadModels(this.#core, this.#log);
    await readModels.caughtUp(await this.#core.store.head(), undefined, PATIENCE_MS);
    this.#stopSampling = false;
    this.#sampling = this.#sample(readModels.caughtUp).finally(async () => {
      await readModels.close();
      await publisher.stop();
    });
  }

  /** Milliseconds, sorted. */
  async lags(): Promise<readonly number[]> {
    this.#stopSampling = true;
    return [...(await this.#sampling)].sort((left, right) => left - right);
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  async #sample(caughtUp: (position: bigint, names: undefined, timeoutMs: number) => Promise<void>) {
    const lags: number[] = [];
    let last = 0n;
    while (!this.#stopSampling) {
      const head = await this.#core.store.head();
      if (head === last) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        continue;
      }
      last = head;
      const seen = performance.now();
      await caughtUp(head, undefined, PATIENCE_MS);
      lags.push(performance.now() - seen);
    }
    return lags;
  }

  async #timed(head: bigint, work: () => Promise<void>): Promise<Pace> {
    const started = performance.now();
    await work();
    const seconds = (performance.now() - started) / 1_000;
    return { events: Number(head), perSecond: Number(head) / seconds };
  }

  #publisher(): Publisher {
    const { databaseUrl, pool, runtime, store } = this.#core;
    return new Publisher({
      store,
      runtime,
      log: this.#log,
      checkpoints: new PostgresPublisherCheckpoints(pool, this.#topic),
      lock: new PostgresLeaderLock({
        connectionString: databaseUrl,
        name: `publisher ${this.#topic}`,
        log: runtime.log,
      }),
    });
  }
}
