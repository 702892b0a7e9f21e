import { StoreUnavailable } from '../../events/eventStore.ts';

/** What the work gives, or StoreUnavailable after a time; what it gives or throws after that is ignored. */
export async function bounded<T>(work: Promise<T>, ms: number, doing: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new StoreUnavailable(`${doing}: no answer within the time allowed`));
  }, ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
