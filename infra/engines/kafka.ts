import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Log } from '../../services/runtime.ts';
import { bounded, KafkaClient } from '../kafka/kafkaClient.ts';
import { controlled, type Engine } from './engine.ts';
import { freePort, launch } from './engineProcess.ts';
import { kafkaProgram } from './kafkaJars.ts';
import { mayInstall } from './programs.ts';

export interface KafkaEngine extends Engine {
  /** `host:port`, as clients want it. */
  readonly brokers: string;
}

export interface KafkaOptions {
  /** Belongs to this node alone; made when it is missing. */
  readonly directory: string;
  /** Of loopback; free ones by default. */
  readonly ports?: { readonly broker: number; readonly controller: number };
  /** Whether what is missing may be installed; by default in CI only. */
  readonly install?: boolean;
  readonly outlivesUs?: boolean;
}

const ANSWER_MS = 2_000;
/** A node that is still starting refuses many times, which is nobody's news. */
const QUIET: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
/** Small and quick to start: a node for tests holds little, and lives shortly. */
const JVM = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/** One node of Apache Kafka that is broker and controller. Resolves when it describes its cluster. Throws EngineMissing. */
export async function startKafka(options: KafkaOptions): Promise<KafkaEngine> {
  const { java, classPath, version } = await kafkaProgram(options.install ?? mayInstall());
  const directory = path.resolve(options.directory);
  const data = path.join(directory, 'data');
  const properties = path.join(directory, 'server.properties');
  const ports = options.ports ?? { broker: await freePort(), controller: await freePort() };
  const brokers = `127.0.0.1:${String(ports.broker)}`;
  await mkdir(data, { recursive: true });
  await writeFile(properties, settings(data, ports));
  if (!existsSync(path.join(data, 'meta.properties'))) {
    // 16 bytes as base64url; it must not begin with a dash.
    const cluster = `t${randomBytes(16).toString('base64url').slice(1, 21)}A`;
    const format = ['kafka.tools.StorageTool', 'format', '-t', cluster, '-c', properties];
    await promisify(execFile)(java, ['-cp', classPath, ...format]);
  }
  const start = () =>
    launch(
      {
        program: java,
        args: [...JVM, '-cp', classPath, 'kafka.Kafka', properties],
        logFile: path.join(directory, 'kafka.log'),
        cwd: directory,
        env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TZ: 'UTC' },
        outlivesUs: options.outlivesUs ?? false,
      },
      () => describes(brokers),
    );
  return controlled({ brokers }, version, start);
}

/** Whether the broker tells an admin client about a cluster that has a broker and a controller. */
export async function describes(brokers: string): Promise<boolean> {
  if (!(await accepts(Number(brokers.split(':')[1])))) return false;
  const client = new KafkaClient({ brokers: [brokers] }, 'send', QUIET);
  const admin = client.admin();
  try {
    await bounded(admin.connect(), ANSWER_MS, 'connecting');
    const cluster = await bounded(admin.describeCluster(), ANSWER_MS, 'cluster metadata');
    return cluster.brokers.length === 1 && cluster.controller !== null;
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (accepted: boolean) => () => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', done(true)).once('error', done(false));
  });
}

function settings(data: string, { broker, controller }: { readonly broker: number; readonly controller: number }) {
  const clients = `PLAINTEXT://127.0.0.1:${String(broker)}`;
  const own = `127.0.0.1:${String(controller)}`;
  const lines = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@${own}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    listeners: `${clients},CONTROLLER://${own}`,
    'advertised.listeners': clients,
    'log.dirs': data,
    // One node keeps one copy of everything.
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 1,
    // A broker that was killed may register again when its old session is over; by default after 9 s.
    'broker.session.timeout.ms': 1_500,
    'broker.heartbeat.interval.ms': 300,
    // Nobody else will join in a moment.
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'log.cleaner.dedupe.buffer.size': 2_097_152,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${String(value)}\n`)
    .join('');
}
