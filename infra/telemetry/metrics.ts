import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { METERS } from '../../events/meters.ts';
import type { RelayMetrics } from '../../services/relay/ports.ts';

const ENDINGS = { RequestCompleted: 'completed', RequestFailed: 'failed', RequestAborted: 'aborted' } as const;

/** One value, or one for each name. */
type Reading = number | Readonly<Record<string, number>>;

/** The Prometheus registry of one process. No label ever holds a key, an account or a user. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const calls = new Counter({
    name: 'relay_requests_total',
    help: 'Accepted calls by ending',
    labelNames: ['ending', 'streamed'],
    registers,
  });
  const refusals = new Counter({
    name: 'relay_refusals_total',
    help: 'Refused calls by code',
    labelNames: ['code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'relay_request_seconds',
    help: 'Accepted calls from admission to settlement',
    buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300],
    registers,
  });
  const tokens = new Counter({
    name: 'relay_tokens_total',
    help: 'Settled quantities',
    labelNames: ['meter'],
    registers,
  });
  const anomalies = new Counter({
    name: 'relay_anomalies_total',
    help: 'Things to look at',
    labelNames: ['kind'],
    registers,
  });
  const inFlight = new Gauge({ name: 'relay_in_flight', help: 'Calls in flight', registers });

  // A series per combination is looked up once: on the hot path a label object costs more than the count.
  const callSeries = Object.entries(ENDINGS).map(
    ([type, ending]) =>
      [type, { streamed: calls.labels(ending, 'true'), whole: calls.labels(ending, 'false') }] as const,
  );
  const callsBy = new Map<string, (typeof callSeries)[number][1]>(callSeries);
  const tokensBy = new Map(METERS.map((meter) => [meter, tokens.labels(meter)]));
  const relay: RelayMetrics = {
    callEnded(ending, streamed, duration) {
      callsBy.get(ending)?.[streamed ? 'streamed' : 'whole'].inc();
      seconds.observe(duration);
    },
    callRefused: (code) => refusals.inc({ code }),
    tokens(usage) {
      for (const [meter, series] of tokensBy) {
        const quantity = usage[meter];
        if (quantity !== undefined) series.inc(quantity);
      }
    },
    anomaly: (kind) => anomalies.inc({ kind }),
    inFlight: (change) => inFlight.inc(change),
  };

  /** A gauge read when Prometheus asks. */
  const gauge = (name: string, help: string, read: () => Reading | Promise<Reading>): void => {
    new Gauge({
      name,
      help,
      labelNames: ['name'],
      registers,
      async collect() {
        const value = await read();
        if (typeof value === 'number') this.set(value);
        else for (const [label, each] of Object.entries(value)) this.set({ name: label }, each);
      },
    });
  };
  return { relay, gauge, render: () => registry.metrics(), contentType: registry.contentType };
}
export type Metrics = ReturnType<typeof createMetrics>;
