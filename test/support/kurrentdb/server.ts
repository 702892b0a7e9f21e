import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { batchAppend, unaryAppend } from './appends.ts';
import { readGossip, supportedMethods, type Member } from './cluster.ts';
import { failure } from './failures.ts';
import { Faults } from './faults.ts';
import { gossipGrpc, serverFeaturesGrpc, streamsGrpc, type IStreamsServer } from './protocol.ts';
import { read } from './reads.ts';
import { StoredLog, type LogPosition } from './storedLog.ts';

export interface FakeKurrentOptions {
  /** False for a server that only takes appends one by one. */
  readonly batchAppend?: boolean;
  /** False for a server so old that it cannot tell its methods. */
  readonly serverFeatures?: boolean;
  /** 1 MiB by default, as on a real server. */
  readonly maxAppendBytes?: number;
  /** The log of another member of the same cluster. */
  readonly log?: StoredLog;
  /** On a follower: the leader. */
  readonly leader?: { readonly host: string; readonly port: number };
}

const HOST = '127.0.0.1';

/**
 * A KurrentDB in this process: it speaks the real protocol over real sockets and keeps its log in memory, also while it
 * is down. It can be killed and started again on its port, can hang, and can lose answers.
 */
export class FakeKurrent {
  readonly log: StoredLog;
  readonly faults = new Faults();
  readonly #options: FakeKurrentOptions;
  #server: Server | null = null;
  #port = 0;
  /** Where subscriptions began, in the order they came. */
  readonly subscribedAfter: LogPosition[] = [];
  /** What gossip tells; itself as the leader, unless told otherwise. */
  members: readonly Member[] | null = null;

  /** One that listens. */
  static async start(options: FakeKurrentOptions = {}): Promise<FakeKurrent> {
    const fake = new FakeKurrent(options);
    await fake.start();
    return fake;
  }

  constructor(options: FakeKurrentOptions = {}) {
    this.#options = options;
    this.log = options.log ?? new StoredLog();
  }

  get host(): string {
    return HOST;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `kurrentdb://${HOST}:${String(this.#port)}?tls=false&discoveryInterval=10`;
  }

  get discoverUrl(): string {
    return `kurrentdb+discover://${HOST}:${String(this.#port)}?tls=false&maxDiscoverAttempts=2&discoveryInterval=10`;
  }

  /** Listens, on the port it had before. */
  async start(): Promise<void> {
    const server = new Server();
    const { faults } = this;
    server.addService(streamsGrpc.StreamsService, this.#streams());
    const members = () => this.members ?? [{ host: HOST, port: this.#port, isLeader: true }];
    server.addService(gossipGrpc.GossipService, { read: readGossip(faults, members) });
    const { batchAppend: batches = true, serverFeatures: features = true } = this.#options;
    if (features) {
      const getSupportedMethods = supportedMethods(faults, { batchAppend: batches });
      server.addService(serverFeaturesGrpc.ServerFeaturesService, { getSupportedMethods });
    }
    this.#port = await listen(server, this.#port);
    this.#server = server;
  }

  /** Every connection is gone at once and nobody listens any more; the log stays. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = null;
  }

  async restart(): Promise<void> {
    this.kill();
    await this.start();
  }

  /** Reserves a port without listening on it, for a server that will start later. */
  async reservePort(): Promise<void> {
    await this.start();
    this.kill();
  }

  #streams(): IStreamsServer {
    const { log, faults } = this;
    const { maxAppendBytes = 1_048_576, leader = null } = this.#options;
    const appends = { log, faults, maxAppendBytes, cut: () => void this.restart() };
    return {
      read: read({ log, faults, leader, onSubscribe: (after) => this.subscribedAfter.push(after) }),
      append: unaryAppend(appends),
      batchAppend: batchAppend(appends),
      delete: (_call, answer) => answer(failure(status.UNIMPLEMENTED, 'nothing is deleted here')),
      tombstone: (_call, answer) => answer(failure(status.UNIMPLEMENTED, 'nothing is deleted here')),
    };
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${HOST}:${String(port)}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
}
