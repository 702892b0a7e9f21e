import type { KurrentClient, Subscription } from './kurrentClient.ts';

/** Whether the server takes a subscription just now: a call that the client makes without its native reader. Never rejects. */
export async function isHealthy(client: KurrentClient, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeoutMs).unref();
  const onChange = () => {
    if (subscription.confirmed) resolve(true);
    else if (subscription.failure) resolve(false);
  };
  // No stream has this name.
  const subscription: Subscription = client.subscribe({ after: 'end', streams: '^$', buffered: 1, onChange });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    subscription.stop();
  }
}
