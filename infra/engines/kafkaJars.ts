import { createHash, randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { EngineMissing } from './engineMissing.ts';
import { howToInstall, installPackages, outputOf } from './programs.ts';

const POM = fileURLToPath(new URL('pom.xml', import.meta.url));
const DOWNLOAD_MS = 600_000;
const OLDEST_JAVA = 17;
const JAVA = 'openjdk-17-jre-headless';

export interface KafkaProgram {
  readonly java: string;
  readonly classPath: string;
  readonly version: string;
}

/**
 * Java and the jars of the Kafka that `pom.xml` names. The jars come through Maven once, about 44 MB, and stay in the
 * user's cache. Throws EngineMissing.
 */
export async function kafkaProgram(install: boolean): Promise<KafkaProgram> {
  const java = await findJava();
  if (java === null && install && (await installPackages(JAVA, 'maven'))) return kafkaProgram(false);
  if (java === null)
    throw new EngineMissing(
      'kafka',
      `it needs Java ${String(OLDEST_JAVA)} or newer, on PATH or in JAVA_HOME; ${howToInstall(JAVA)}`,
    );
  const folder = await jarFolder(install);
  const version = (await readdir(folder))
    .map((name) => /^kafka_[\d.]+-(\d[\w.-]*)\.jar$/.exec(name)?.[1])
    .find(Boolean);
  if (version === undefined) throw new EngineMissing('kafka', `there is no Kafka in ${folder}; remove that folder`);
  return { java, classPath: path.join(folder, '*'), version };
}

async function findJava(): Promise<string | null> {
  const home = process.env['JAVA_HOME'];
  const java = home ? path.join(home, 'bin', 'java') : 'java';
  const major = Number(/version "(\d+)/.exec((await outputOf(java, '-version')) ?? '')?.[1] ?? 0);
  return major >= OLDEST_JAVA ? java : null;
}

async function jarFolder(install: boolean): Promise<string> {
  const cache = path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'tallystick');
  const digest = createHash('sha256')
    .update(await readFile(POM))
    .digest('hex');
  const folder = path.join(cache, `kafka-${digest.slice(0, 12)}`);
  if (!existsSync(folder)) await fetchJars(folder, install);
  return folder;
}

/** The folder gets its name when it is complete. */
async function fetchJars(folder: string, install: boolean): Promise<void> {
  const found = (await outputOf('mvn', '--version')) !== null || (install && (await installPackages('maven')));
  if (!found)
    throw new EngineMissing(
      'kafka',
      `its jars come through Maven, and there is no mvn on PATH; ${howToInstall('maven')}`,
    );
  const unfinished = `${folder}.${randomBytes(4).toString('hex')}`;
  await mkdir(unfinished, { recursive: true });
  const args = ['-B', '-q', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${unfinished}`];
  try {
    await promisify(execFile)('mvn', [...args, '-DincludeScope=runtime'], { timeout: DOWNLOAD_MS });
    await rename(unfinished, folder);
  } catch (cause) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process may have been faster.
    if (!existsSync(folder)) throw new EngineMissing('kafka', 'Maven could not fetch its jars', { cause });
  }
}
