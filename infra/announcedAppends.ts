import type { Append, AppendResult, EventStore } from '../events/eventStore.ts';

/** The same store, which also says how far the log has come whenever something was appended to a stream of these categories. */
export function announcedAppends(
  store: EventStore,
  categories: readonly string[],
  announce: (position: bigint) => void,
): EventStore {
  return {
    ...(store.isContiguous ? { isContiguous: true } : {}),
    async append(append: Append): Promise<AppendResult> {
      const result = await store.append(append);
      const isOfInterest = categories.some((category) => append.stream.startsWith(`${category}-`));
      if (isOfInterest && result.outcome === 'appended') announce(result.position);
      return result;
    },
    readStream: (stream, options) => store.readStream(stream, options),
    readAll: (options) => store.readAll(options),
    subscribe: (options) => store.subscribe(options),
    head: () => store.head(),
    close: () => store.close(),
  };
}
