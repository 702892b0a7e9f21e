import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type * as App from '../../../services/http/app.ts';
import type { RelayRoute, Route } from '../../../services/http/route.ts';
import { mintSecret } from '../../../services/keys/secret.ts';
import { Developer } from '../../support/developer.ts';
import { HostedService } from '../../support/hostedService.ts';
import { IS_ERROR, ROUTES, type Row } from './routeTable.ts';
import { SMALLEST, type SmallestCall } from './smallestCalls.ts';

/** The service is real; what it hands to its HTTP layer is only looked at on its way. */
const wired = vi.hoisted(() => ({ apps: [] as App.AppParts[] }));
vi.mock('../../../services/http/app.ts', async (original) => {
  const app = await original<typeof App>();
  const createApp: typeof App.createApp = (parts) => {
    wired.apps.push(parts);
    return app.createApp(parts);
  };
  return { ...app, createApp };
});

let hosted: HostedService;
let developer: Developer;
let key: string;

beforeAll(async () => {
  // Test keys are served by the simulation; the channel is there because a file must name one.
  const nobody = { name: 'nobody', baseUrl: 'http://127.0.0.1:9/v1', models: ['gpt-4o'] };
  hosted = await HostedService.start([nobody], { DEFAULT_REQUESTS_PER_MINUTE: '1000000' });
  developer = await Developer.register(hosted.baseUrl);
  key = (await developer.issueKey()).key;
});
afterAll(() => hosted.dispose());

const named = (rows: readonly Row[]) => rows.map((row) => [`${row[0]} ${row[1]}`, row] as const);
const GUARDED = named(ROUTES.filter(([, , policy]) => policy !== 'public'));
const CALLS = named(ROUTES.filter(([, , , , reach]) => reach === 'call'));
const COUNTS = named(ROUTES.filter(([, , , , reach]) => reach === 'count'));

/** A target for a path of the table; what its parts stand for need not be there. */
function targetOf(path: string): string {
  return SMALLEST[path]?.target ?? path.replace(/[:*]\w*/g, 'nothing');
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function ask([method, path]: Row, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const response = await fetch(hosted.baseUrl + targetOf(path), { method, headers });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}

/** Makes the smallest call of a route; resolves when its answer is whole. */
async function call(path: string): Promise<{ readonly status: number; readonly id: string; readonly text: string }> {
  const sample: SmallestCall | undefined = SMALLEST[path];
  if (!sample) throw new Error(`${path} has no smallest call`);
  const isForm = sample.body instanceof FormData;
  const response = await fetch(hosted.baseUrl + targetOf(path), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      ...(isForm ? {} : { 'content-type': 'application/json' }),
      ...sample.headers,
    },
    body: sample.body instanceof FormData ? sample.body : JSON.stringify(sample.body),
  });
  return { status: response.status, id: response.headers.get('x-request-id') ?? '', text: await response.text() };
}

function rowOf(route: RelayRoute | Route): readonly string[] {
  const { method, path, policy, dialect } = route;
  const bare = { headers: {}, query: new URLSearchParams() };
  return [method, path, policy, ...(typeof dialect === 'string' ? [dialect] : [dialect(bare), 'varies'])];
}

describe('The routes of the service', () => {
  it('are those of the table, each with its policy and dialect, and no other ones', () => {
    const [app] = wired.apps;
    const found = [...(app?.relayRoutes ?? []), ...(app?.routes ?? [])].map((route) => rowOf(route).join(' '));
    const expected = ROUTES.map(([method, path, policy, dialect, , ...varies]) =>
      [method, path, policy, dialect, ...varies].join(' '),
    );
    expect(found.toSorted()).toEqual(expected.toSorted());
  });

  it('that read a body of any size reach an upstream, count, or store; and no other route does any of it', () => {
    const relayed = wired.apps[0]?.relayRoutes.map(({ path }) => path) ?? [];
    const reaching = ROUTES.filter(([, , , , reach]) => reach !== 'own').map(([, path]) => path);
    expect(relayed.toSorted()).toEqual(reaching.toSorted());
  });
});

describe('A route that reaches an upstream', () => {
  it.each(CALLS)(
    '%s: a call ends with one acceptance, one usage event, one end, and nothing held',
    async (_name, row) => {
      const before = (await hosted.books.calls()).size;
      const { status, id, text } = await call(row[1]);
      expect(status, text).toBe(200);
      await hosted.books.nothingHeld(20_000);
      const calls = await hosted.books.calls();
      expect(calls.size).toBe(before + 1);
      expect(calls.get(id)).toMatchObject({
        ...{ accepted: 1, usages: 1, endings: 1, corrections: 0 },
        ending: 'RequestCompleted',
      });
      expect(['reported', 'estimated', 'mixed']).toContain(calls.get(id)?.source);
    },
  );
});

describe('A route that counts tokens', () => {
  it.each(COUNTS)('%s: costs nothing and leaves nothing in the books', async (_name, row) => {
    const before = (await hosted.books.calls()).size;
    const { status, text } = await call(row[1]);
    expect(status, text).toBe(200);
    expect((await hosted.books.calls()).size).toBe(before);
    expect(await hosted.books.held()).toMatchObject({ holds: 0, slots: 0 });
  });
});

describe('A route that is not public refuses, in the own words of its dialect,', () => {
  async function expectRefused(row: Row, headers: Readonly<Record<string, string>>): Promise<void> {
    const [, , , dialect] = row;
    const { status, body, headers: answered } = await ask(row, headers);
    expect(status, JSON.stringify(body)).toBe(401);
    expect(IS_ERROR[dialect](body), JSON.stringify(body)).toBe(true);
    expect(answered.get('x-should-retry')).toBe('false');
  }

  it.each(GUARDED)('%s: somebody without a credential', async (_name, row) => {
    await expectRefused(row, {});
  });

  it.each(GUARDED)('%s: a credential of the other kind', async (_name, row) => {
    const other = row[2] === 'apiKey' ? developer.token : key;
    await expectRefused(row, { authorization: `Bearer ${other}` });
    await expectRefused(row, { 'x-api-key': other });
  });

  it.each(GUARDED)('%s: a credential that nobody has', async (_name, row) => {
    const { secret } = mintSecret('test', { bytes: randomBytes });
    await expectRefused(row, { authorization: `Bearer ${secret}` });
  });
});

describe('A route for administrators', () => {
  it.each(GUARDED.filter(([, row]) => row[2] === 'admin'))('%s: refuses a user', async (_name, row) => {
    const { status, body } = await ask(row, { authorization: `Bearer ${developer.token}` });
    expect(status).toBe(403);
    expect(IS_ERROR[row[3]](body)).toBe(true);
  });
});
