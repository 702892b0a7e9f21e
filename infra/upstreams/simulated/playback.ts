import type { ServerResponse } from 'node:http';
import type { Behaviour } from './directives.ts';
import { ERROR_EVENT } from './sse.ts';

/** Each a whole server-sent event, or some bytes of a body that has no events. */
export interface RenderedStream {
  readonly before: readonly (string | Buffer)[];
  /** What is counted by where a stream is to break. */
  readonly pieces: readonly (string | Buffer)[];
  readonly after: readonly (string | Buffer)[];
}

type Pace = Pick<Behaviour, 'chunkDelayMs' | 'cutAfter' | 'errorAfter' | 'hang'>;

/** How a call ends that is not let run to its end. */
type Stop = 'cut' | 'error' | 'hang' | null;

/**
 * Plays a stream into a response: at its pace, no faster than it is read, and up to the point where it is to break.
 * Stops by itself when the response is closed. `onCut` is called before the simulation closes the connection.
 */
export function playStream(response: ServerResponse, stream: RenderedStream, pace: Pace, onCut: () => void): void {
  const { events, stop } = script(stream, pace);
  let next = 0;
  let timer: NodeJS.Timeout | undefined;

  const finish = () => {
    if (stop === null || stop === 'error') response.end();
    else if (stop === 'cut') closeAfterFlush(response, onCut);
  };
  const play = () => {
    while (next < events.length) {
      const flows = response.write(events[next]);
      next += 1;
      if (pace.chunkDelayMs > 0 && next < events.length) {
        timer = setTimeout(play, pace.chunkDelayMs);
        return;
      }
      if (!flows && next < events.length) {
        response.once('drain', play);
        return;
      }
    }
    finish();
  };
  response.once('close', () => clearTimeout(timer));
  if (events.length === 0) response.flushHeaders();
  play();
}

/** Sends half of a body and then hangs or cuts. */
export function playHalf(response: ServerResponse, body: string, stop: 'cut' | 'hang', onCut: () => void): void {
  response.write(body.slice(0, Math.floor(body.length / 2)));
  if (stop === 'cut') closeAfterFlush(response, onCut);
}

function script(stream: RenderedStream, pace: Pace): { events: RenderedStream['pieces']; stop: Stop } {
  const pieces = (count: number) => [...stream.before, ...stream.pieces.slice(0, count)];
  if (pace.cutAfter !== null) return { events: pieces(pace.cutAfter), stop: 'cut' };
  if (pace.errorAfter !== null) return { events: [...pieces(pace.errorAfter), ERROR_EVENT], stop: 'error' };
  if (pace.hang === 'mid') return { events: pieces(Math.ceil(stream.pieces.length / 2)), stop: 'hang' };
  return { events: [...stream.before, ...stream.pieces, ...stream.after], stop: null };
}

/** What was written still arrives; then the connection ends without the end of the body. */
function closeAfterFlush(response: ServerResponse, onCut: () => void): void {
  onCut();
  if (response.socket) response.socket.destroySoon();
}
