import { randomBytes } from 'node:crypto';
import { KurrentEventStore, type KurrentEventStoreOptions } from '../../../infra/kurrentdb/eventStore.ts';
import type { StoreUnderTest } from '../../contract/eventStore.contract.ts';
import { silentLog } from '../log.ts';
import { CuttableProxy } from './cuttableProxy.ts';
import { FakeKurrent, type FakeKurrentOptions } from './server.ts';

/** A store on a server, with short pauses. */
export function kurrentStore(
  connectionString: string,
  options: Partial<KurrentEventStoreOptions> = {},
): Promise<KurrentEventStore> {
  return KurrentEventStore.open({ connectionString, log: silentLog, pollMs: 50, ...options });
}

/** A store on a fake server of its own, which is restarted to interrupt it. */
export async function onFakeKurrent(options: FakeKurrentOptions = {}): Promise<StoreUnderTest> {
  const fake = await FakeKurrent.start(options);
  const store = await kurrentStore(fake.url);
  return {
    store,
    interrupt: () => fake.restart(),
    async dispose() {
      await store.close();
      fake.kill();
    },
  };
}

/**
 * A store on a real server, which others may use too. Connections go through a proxy, so that they can be cut; a server
 * that is found by gossip is told by its members where it is, so name a single one.
 */
export async function onRealKurrent(connectionString: string): Promise<StoreUnderTest> {
  const url = new URL(connectionString);
  const proxy = await CuttableProxy.to(url.hostname, Number(url.port === '' ? 2113 : url.port));
  url.host = `127.0.0.1:${String(proxy.port)}`;
  const store = await kurrentStore(url.href);
  return {
    store,
    tag: `t${randomBytes(5).toString('hex')}`,
    interrupt() {
      proxy.cut();
      return Promise.resolve();
    },
    async dispose() {
      await store.close();
      await proxy.close();
    },
  };
}
