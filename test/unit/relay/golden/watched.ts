import type { AnswerReading, Passage, RelayCall } from '../../../../services/relay/call.ts';

/** The call itself, but what its readings throw is noted: the engine would take it for a fault of the upstream. */
export function watched(call: RelayCall, thrown: unknown[]): RelayCall {
  return {
    route: call.route,
    model: call.model,
    streamed: call.streamed,
    raw: call.raw,
    ...(call.variant !== undefined && { variant: call.variant }),
    bounds: (maxOutputTokens) => call.bounds(maxOutputTokens),
    promptToCount: () => call.promptToCount(),
    async passage(channel, context): Promise<Passage> {
      const passage = await call.passage(channel, context);
      return { ...passage, read: (headers) => watchedReading(passage.read(headers), thrown) };
    },
  };
}

function watchedReading(reading: AnswerReading, thrown: unknown[]): AnswerReading {
  const noting = <Result>(act: () => Result): Result => {
    try {
      return act();
    } catch (error) {
      thrown.push(error);
      throw error;
    }
  };
  return {
    contentType: reading.contentType,
    feed: (chunk) => noting(() => reading.feed(chunk)),
    end: () => noting(() => reading.end()),
    ending: (billed) => noting(() => reading.ending(billed)),
    get done() {
      return reading.done;
    },
    get failure() {
      return reading.failure;
    },
    get received() {
      return reading.received;
    },
    get reported() {
      return noting(() => reading.reported);
    },
    get stopRequest() {
      return noting(() => reading.stopRequest);
    },
    get variant() {
      return reading.variant ?? null;
    },
  };
}
