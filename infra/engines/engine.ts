import { isRunning, kill, send, stop, type Located } from './engineProcess.ts';

/** A server that is at hand: it freezes, dies and comes back when told to. */
export interface Engine {
  readonly version: string;
  /** Another one after `restart`. */
  readonly pid: number;
  /** Of this process, as the system gives it. */
  readonly startTime: string;
  /** Ends it in good order; what it stored stays in its directory, which belongs to the caller. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Runs again on the same ports and data, whether it was stopped, killed or running. */
  restart(): Promise<void>;
  /** Stands still with every connection open and nothing answered, until `resume`. */
  suspend(): Promise<void>;
  resume(): Promise<void>;
}

/** The common part of the engines; `start` resolves when the server answers. */
export async function controlled<Address extends object>(
  address: Address,
  version: string,
  start: () => Promise<Located>,
  stopSignal?: NodeJS.Signals,
): Promise<Engine & Address> {
  let server = await start();
  return {
    ...address,
    version,
    get pid() {
      return server.pid;
    },
    get startTime() {
      return server.startTime;
    },
    stop: () => stop(server, stopSignal),
    kill: () => kill(server),
    async restart() {
      if (await isRunning(server)) await stop(server, stopSignal);
      server = await start();
    },
    async suspend() {
      await send(server, 'SIGSTOP');
    },
    async resume() {
      await send(server, 'SIGCONT');
    },
  };
}
