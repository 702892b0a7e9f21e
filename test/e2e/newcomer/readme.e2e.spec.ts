import { execFile } from 'node:child_process';
import { access, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run as runCommand } from '../../../services/cli/program.ts';
import { cliPorts } from '../../../services/wiring/cli.ts';
import { silentLog } from '../../support/log.ts';
import { freshDirectory, startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { codeBlocks, README } from '../../unit/docs/readme.ts';
import { REPOSITORY, shell } from './npmStart.ts';

const run = promisify(execFile);

let service: ServiceProcess;
let database: TestDatabase;
/** A working directory as the samples expect it: the service's `.tallystick`, and the packages. */
let directory: string;

beforeAll(async () => {
  [directory, database] = await Promise.all([freshDirectory(), testDatabase()]);
  service = await startServiceProcess({ DATA_DIR: path.join(directory, '.tallystick'), DATABASE_URL: database.url });
  await symlink(path.join(REPOSITORY, 'node_modules'), path.join(directory, 'node_modules'));
});
afterAll(async () => {
  await service.dispose();
  await database.close();
  await rm(directory, { recursive: true, force: true });
});

/** The one code block of a language that holds some words. */
function block(language: string, words: string): string {
  const [found, ...others] = codeBlocks(language).filter((code) => code.includes(words));
  if (found === undefined || others.length > 0) throw new Error(`not one ${language} block with "${words}"`);
  return found;
}

/** What of a Python does the machine have? */
async function python(): Promise<'with openai' | 'bare' | 'none'> {
  const works = (code: string) =>
    run('python3', ['-c', code]).then(
      () => true,
      () => false,
    );
  if (await works('import openai')) return 'with openai';
  return (await works('pass')) ? 'bare' : 'none';
}

const HELLO = 'This is a simulated answer. You said: Hello!';

describe('a sample of the README', () => {
  it('for curl works as it stands, but for the port', async () => {
    const sample = block('sh', 'curl').replace('http://127.0.0.1:8787', service.baseUrl);
    const answer = JSON.parse(await shell(sample, directory)) as unknown;
    expect(answer).toMatchObject({ choices: [{ message: { content: HELLO } }] });
  });

  it('for the OpenAI SDK on Node works as it stands', async () => {
    await mkdir(path.join(directory, 'src'), { recursive: true });
    const file = path.join(directory, 'src', 'sample.mjs');
    await writeFile(file, block('js', 'openai'));
    const { stdout } = await run(process.execPath, [file], { cwd: directory });
    expect(stdout).toBe(HELLO);
  });

  it('for the SDKs of Anthropic and Google works as it stands', async () => {
    await mkdir(path.join(directory, 'src'), { recursive: true });
    const file = path.join(directory, 'src', 'others.mjs');
    await writeFile(file, block('js', 'GoogleGenAI'));
    const { stdout } = await run(process.execPath, [file], { cwd: directory });
    expect(stdout.trim()).toBe(`${HELLO} ${HELLO}`);
  });

  it('for the OpenAI SDK on Python works as it stands where there is one, and is Python in any case', async () => {
    const file = path.join(directory, 'sample.py');
    const sample = block('python', 'openai');
    await writeFile(file, sample);
    switch (await python()) {
      case 'with openai':
        expect((await run('python3', [file], { cwd: directory })).stdout).toMatch(new RegExp(`^${HELLO} 0\\.\\d+`));
        break;
      case 'bare':
        await run('python3', ['-c', 'import ast, sys; ast.parse(open(sys.argv[1]).read())', file]);
        break;
      case 'none':
        // Nobody here can read it; at least it names what is there.
        expect(sample).toContain('.tallystick/first-run.json');
    }
    for (const name of ['"baseUrl"', '"testKey"', '"/v1"', '"tallystick-sim"']) expect(sample).toContain(name);
  });
});

describe('what the README names', () => {
  it('is there: every file that it links to', async () => {
    const links = [...README.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(([, target = '']) => target);
    expect(links.length).toBeGreaterThan(5);
    for (const target of links) await expect(access(path.join(REPOSITORY, target)), target).resolves.toBeUndefined();
  });

  it('is there: every npm script', async () => {
    const { scripts } = JSON.parse(await readFile(path.join(REPOSITORY, 'package.json'), 'utf8')) as {
      scripts: Readonly<Record<string, string>>;
    };
    const named = [...README.matchAll(/npm (?:run (?:-s )?)?([\w:-]+)/g)].map(([, name = '']) => name);
    const own = new Set(named.filter((name) => !['ci', 'and'].includes(name)));
    expect(own.size).toBeGreaterThan(4);
    expect([...own].filter((name) => !(name in scripts))).toEqual([]);
  });

  it('is there: every command of the command line', async () => {
    const commands = [...README.matchAll(/^npx tallystick ([a-z]+(?: [a-z-]+(?= |$))?)/gm)].map(
      ([, command = '']) => command,
    );
    expect(commands.length).toBeGreaterThan(5);
    for (const command of commands) {
      const terminal = { out: (text: string) => printed.push(text), error: (text: string) => printed.push(text) };
      const printed: string[] = [];
      await runCommand([...command.split(' '), '--help'], cliPorts({}, silentLog), terminal, '0');
      expect(printed.join('')).toContain(`Usage: tallystick ${command}`);
    }
  });

  it('is there: every room, and no room is left out', async () => {
    const rooms = ['events', 'services', 'projections', 'infra', 'test'];
    for (const room of rooms) expect(README).toMatch(new RegExp(`^\\| \\[?\`${room}/\``, 'm'));
    const services = await readdir(path.join(REPOSITORY, 'services'), { withFileTypes: true });
    for (const entry of services.filter((each) => each.isDirectory())) expect(README).toContain(`\`${entry.name}\``);
  });
});
