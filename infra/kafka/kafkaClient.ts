import { createRequire } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
import kafkajs from 'kafkajs';
import { DistributionUnavailable } from '../../events/distributionLog.ts';
import type { Log } from '../../services/runtime.ts';

/** The only file that knows the package, so that another client can take its place. */
export type { Admin, Consumer, EachBatchPayload, KafkaMessage, Producer } from 'kafkajs';

export interface KafkaAccess {
  /** `host:port`, one or more. */
  readonly brokers: readonly string[];
  readonly ssl?: boolean | tls.ConnectionOptions;
  readonly sasl?: {
    readonly mechanism: 'scram-sha-512' | 'plain';
    readonly username: string;
    readonly password: string;
  };
}

const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 10_000;
/**
 * Of sending: 4 tries within about 1.5 s. Of reading: 12 tries within about 10 s, for a member that comes back within its
 * session finds its place in the group again, and a new one waits until that session is over.
 */
const RETRY = { initialRetryTime: 200, maxRetryTime: 1_000, factor: 0.2, multiplier: 2 };
const SEND_RETRIES = 3;
const READ_RETRIES = 11;
/** Complaints that say nothing: a producer that fails is never used again, so its retries may be few. */
const EXPECTED = /^Limiting retries for the idempotent producer/;

/**
 * Connections to the brokers that live and die together. `destroy` ends them at once, also those that hang, and lets
 * none come after it: what is still being tried on them can no longer reach a broker.
 */
export class KafkaClient {
  readonly #kafka: kafkajs.Kafka;
  readonly #retry: kafkajs.RetryOptions;
  readonly #sockets = new Set<net.Socket>();
  #destroyed = false;

  constructor(access: KafkaAccess, use: 'send' | 'read', log: Log) {
    const retries = use === 'send' ? SEND_RETRIES : READ_RETRIES;
    this.#retry = { ...RETRY, retries };
    this.#kafka = new kafkajs.Kafka({
      clientId: 'tallystick',
      brokers: [...access.brokers],
      ...(access.ssl === undefined ? {} : { ssl: access.ssl }),
      ...(access.sasl === undefined ? {} : { sasl: saslOf(access.sasl) }),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      authenticationTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      enforceRequestTimeout: true,
      retry: this.#retry,
      socketFactory: (options) => this.#connect(options),
      logLevel: kafkajs.logLevel.WARN,
      logCreator: () => (entry) => {
        const { message, ...details } = entry.log as { readonly message: string } & Readonly<Record<string, unknown>>;
        if (this.#destroyed || EXPECTED.test(message)) return;
        log.warn({ part: entry.namespace, broker: details['broker'], reason: details['error'] }, `kafka: ${message}`);
      },
    });
  }

  /** One per topic and process may send: two would spoil each other's sequences. */
  producer(): kafkajs.Producer {
    return this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry: this.#retry,
    });
  }

  consumer(options: Omit<kafkajs.ConsumerConfig, 'retry' | 'allowAutoTopicCreation'>): kafkajs.Consumer {
    return this.#kafka.consumer({
      ...options,
      allowAutoTopicCreation: false,
      // It would restart after some errors and not after others; whoever made it makes a new one after all.
      retry: { ...this.#retry, restartOnFailure: () => Promise.resolve(false) },
    });
  }

  admin(): kafkajs.Admin {
    return this.#kafka.admin({ retry: this.#retry });
  }

  destroy(): void {
    this.#destroyed = true;
    // Only an error tells the package to forget what waits for an answer.
    for (const socket of this.#sockets) socket.destroy(new Error('the connection was given up'));
    this.#sockets.clear();
  }

  #connect({ host, port, ssl, onConnect }: kafkajs.ISocketFactoryArgs): net.Socket {
    if (this.#destroyed) throw new Error('these connections were given up');
    const servername = net.isIP(host) === 0 ? { servername: host } : {};
    // The types say that there always are TLS options; without TLS there are none.
    const options = ssl as tls.ConnectionOptions | boolean | null | undefined;
    const socket = options
      ? tls.connect({ host, port, ...servername, ...(options === true ? {} : options) }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

/** Written out, for the package's type ties each mechanism to its own fields. */
function saslOf({ mechanism, username, password }: NonNullable<KafkaAccess['sasl']>): kafkajs.SASLOptions {
  return mechanism === 'plain' ? { mechanism, username, password } : { mechanism, username, password };
}

/** Waits for a call no longer than `timeoutMs`, then throws DistributionUnavailable; the package's own timers can fail. */
export async function bounded<T>(work: Promise<T>, timeoutMs: number, doing: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DistributionUnavailable(`${doing}: Kafka did not answer within ${String(timeoutMs)} ms`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** The error of the broker behind an error of the package, such as UNKNOWN_TOPIC_OR_PARTITION; null when there is none. */
export function brokerErrorOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('type' in error && typeof error.type === 'string') return error.type;
  return brokerErrorOf(error.cause);
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests: (this: RequestQueue) => void;
}

/**
 * Version 2.2.4 sets a timer of a negative delay after every answer, which fires at once, sets the next one, and makes
 * Node warn each time (tulios/kafkajs#1751). Nothing waits in the queue then, so there is nothing to set a timer for.
 */
function setTimersOnlyForWaiting(queue: RequestQueue): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) schedule.call(this);
  };
}

const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as {
  readonly prototype: RequestQueue;
};
setTimersOnlyForWaiting(prototype);
