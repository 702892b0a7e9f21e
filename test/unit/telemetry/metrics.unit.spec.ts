import { describe, expect, it } from 'vitest';
import { createMetrics, type Metrics } from '../../../infra/telemetry/metrics.ts';

/** Lines of a metric, without comments. */
async function lines(metrics: Metrics, name: string): Promise<string[]> {
  return (await metrics.render()).split('\n').filter((line) => line.startsWith(name));
}

describe('The metrics of a process', () => {
  it('count calls by how they ended and whether they were streamed', async () => {
    const metrics = createMetrics();
    metrics.relay.callEnded('RequestCompleted', true, 0.1);
    metrics.relay.callEnded('RequestCompleted', true, 0.2);
    metrics.relay.callEnded('RequestAborted', false, 3);
    metrics.relay.callEnded('RequestFailed', false, 0.001);
    expect(await lines(metrics, 'relay_requests_total')).toEqual([
      'relay_requests_total{ending="completed",streamed="true"} 2',
      'relay_requests_total{ending="aborted",streamed="false"} 1',
      'relay_requests_total{ending="failed",streamed="false"} 1',
    ]);
    expect(await lines(metrics, 'relay_request_seconds_count')).toEqual(['relay_request_seconds_count 4']);
    expect(await lines(metrics, 'relay_request_seconds_bucket{le="0.1"}')).toEqual([
      'relay_request_seconds_bucket{le="0.1"} 2',
    ]);
  });

  it('count refusals by code, anomalies by kind, and settled quantities by meter', async () => {
    const { relay, ...metrics } = createMetrics();
    relay.callRefused('insufficient_quota');
    relay.callRefused('insufficient_quota');
    relay.anomaly('usage_above_hold');
    relay.tokens({ uncachedInput: 7, outputText: 3 });
    relay.tokens({ outputText: 2 });
    const whole = { relay, ...metrics };
    expect(await lines(whole, 'relay_refusals_total')).toEqual(['relay_refusals_total{code="insufficient_quota"} 2']);
    expect(await lines(whole, 'relay_anomalies_total')).toEqual(['relay_anomalies_total{kind="usage_above_hold"} 1']);
    expect(await lines(whole, 'relay_tokens_total')).toEqual([
      'relay_tokens_total{meter="uncachedInput"} 7',
      'relay_tokens_total{meter="outputText"} 5',
    ]);
  });

  it('know how many calls are in flight', async () => {
    const metrics = createMetrics();
    metrics.relay.inFlight(1);
    metrics.relay.inFlight(1);
    metrics.relay.inFlight(-1);
    expect(await lines(metrics, 'relay_in_flight')).toEqual(['relay_in_flight 1']);
  });

  it('read gauges when they are asked, one figure or one for each name', async () => {
    const metrics = createMetrics();
    let pending = 1;
    metrics.gauge('journal_pending', 'waiting', () => pending);
    metrics.gauge('projection_position', 'where', () => ({ quota: pending, usage: 9 }));
    expect(await lines(metrics, 'journal_pending')).toEqual(['journal_pending 1']);
    pending = 5;
    expect(await lines(metrics, 'journal_pending')).toEqual(['journal_pending 5']);
    expect(await lines(metrics, 'projection_position')).toEqual([
      'projection_position{name="quota"} 5',
      'projection_position{name="usage"} 9',
    ]);
  });

  it('have no label that could hold a key, an account, a user or a model', async () => {
    const metrics = createMetrics();
    metrics.relay.callEnded('RequestCompleted', true, 0.1);
    metrics.relay.callRefused('invalid_api_key');
    metrics.relay.anomaly('usage_above_hold');
    metrics.relay.tokens({ uncachedInput: 1 });
    const labels = [...(await metrics.render()).matchAll(/[{,](\w+)="/g)].map(([, label]) => label);
    const ofThisProgram = ['ending', 'streamed', 'code', 'kind', 'meter', 'le', 'name'];
    const ofNode = ['version', 'major', 'minor', 'patch', 'type', 'space'];
    expect([...new Set(labels)].filter((label) => ![...ofThisProgram, ...ofNode].includes(label ?? ''))).toEqual([]);
  });

  it('are kept apart from those of another set in the same process, and carry Node’s own', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.relay.callRefused('not_found');
    expect(await lines(other, 'relay_refusals_total{')).toEqual([]);
    expect(await lines(one, 'process_resident_memory_bytes')).toHaveLength(1);
    expect(one.contentType).toContain('text/plain');
  });
});
