import { rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { readIfThere, writePrivately } from '../postgres/embedded/files.ts';

const running = z.strictObject({
  /** As clients want it. It may hold a password, so the file is for its owner only. */
  address: z.string(),
  version: z.string(),
  pid: z.number().int(),
  startTime: z.string(),
});
const state = z.partialRecord(z.enum(['postgres', 'redis', 'kafka']), running);

export type RunningEngine = z.infer<typeof running>;
/** The engines that were left running. */
export type EngineState = z.infer<typeof state>;

/** Where the engines of a data directory are, and what is noted about them. */
export function engineFiles(dataDir: string) {
  const root = path.resolve(dataDir, 'engines');
  return { root, state: path.join(root, 'state.json') };
}

export async function readState(dataDir: string): Promise<EngineState> {
  const text = await readIfThere(engineFiles(dataDir).state);
  return text === null ? {} : state.parse(JSON.parse(text));
}

export function writeState(dataDir: string, engines: EngineState): Promise<void> {
  return writePrivately(engineFiles(dataDir).state, JSON.stringify(engines, null, 2));
}

/** Everything that the engines stored, and the note about them. */
export async function removeState(dataDir: string): Promise<void> {
  await rm(engineFiles(dataDir).root, { recursive: true, force: true });
}
