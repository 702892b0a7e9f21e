import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { configSchema, parseConfig, ROLES, type Role } from '../../../infra/config/config.ts';

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const condition = z.strictObject({ condition: z.string() });
const service = z.looseObject({
  image: z.string(),
  build: z.string().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), condition).default({}),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
});
const composeFile = z.looseObject({
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

const text = read('docker-compose.yml');
const compose = composeFile.parse(parse(text, { merge: true }));
const services = Object.entries(compose.services);
const ours = services.filter(([, { build }]) => build !== undefined);

/** What an operator would put into .env. */
const SECRETS = { POSTGRES_PASSWORD: 'a-password', MASTER_KEY: 'ab'.repeat(32), JWT_SECRET: 'x'.repeat(32) };

/** The environment that a container gets; a variable without a value is an error, as compose has it. */
function environmentOf(name: string): Readonly<Record<string, string>> {
  const given = compose.services[name]?.environment ?? {};
  const filled = Object.entries(given).map(([variable, value]) => [
    variable,
    String(value).replace(/\$\{(\w+):\?[^}]*\}/g, (_match, secret: string) => {
      expect(Object.keys(SECRETS), variable).toContain(secret);
      return SECRETS[secret as keyof typeof SECRETS];
    }),
  ]);
  return Object.fromEntries(filled) as Record<string, string>;
}

describe('docker-compose.yml', () => {
  it('runs two relays behind a proxy, every other role once, and every engine', () => {
    expect(services.map(([name]) => name).sort()).toEqual(
      [
        ...['proxy', 'relay-1', 'relay-2', 'projector', 'publisher', 'worker'],
        ...['postgres', 'kurrentdb', 'kafka', 'redis'],
      ].sort(),
    );
    const roles = ours.map(([, { command }]) => command?.join(' '));
    expect(roles).toEqual(['relay', 'relay', 'projector', 'publisher', 'worker']);
  });

  it.each(ours.map(([name]) => name))(
    'gives %s an environment that its role accepts, with known names only',
    (name) => {
      const role = compose.services[name]?.command?.[0] as Role;
      expect(ROLES).toContain(role);
      const environment = environmentOf(name);
      expect(Object.keys(environment).filter((variable) => !Object.hasOwn(configSchema.shape, variable))).toEqual([]);
      expect(parseConfig(environment, role)).toMatchObject({
        DATABASE_URL: 'postgres://tallystick:a-password@postgres:5432/tallystick',
        KURRENTDB_URL: 'kurrentdb://kurrentdb:2113?tls=false',
        KAFKA_BROKERS: 'kafka:9092',
        REDIS_URL: 'redis://redis:6379',
      });
    },
  );

  it('holds no secret itself', () => {
    for (const [name, { environment }] of services) {
      for (const [variable, value] of Object.entries(environment)) {
        if (/PASSWORD|SECRET|MASTER_KEY/.test(variable)) expect(value, `${name} ${variable}`).toMatch(/^\$\{\w+:\?/);
      }
    }
  });

  it('opens ports on loopback only', () => {
    const ports = services.flatMap(([, service]) => service.ports);
    expect(ports.length).toBeGreaterThan(0);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('pins every image, and gives every relay a journal of its own and all of them the same files', () => {
    for (const [name, { image, build }] of services) {
      if (build === undefined) expect(image, name).toMatch(/:\d+\.\d+(\.\d+)?(-\w+)?$/);
    }
    const journals = ['relay-1', 'relay-2'].map((name) => compose.services[name]?.volumes);
    const files = 'objects:/data/objects';
    expect(journals).toEqual([
      ['relay-1:/data', files],
      ['relay-2:/data', files],
    ]);
    const named = services.flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':')[0] ?? ''));
    for (const volume of named.filter((name) => !name.startsWith('.'))) {
      expect(Object.keys(compose.volumes)).toContain(volume);
    }
    for (const file of named.filter((name) => name.startsWith('.'))) expect(existsSync(new URL(file, root))).toBe(true);
  });

  it('starts nothing before what it needs is healthy', () => {
    for (const [name, { build, healthcheck, depends_on: needs }] of services) {
      if (build === undefined) expect(healthcheck, name).toBeDefined();
      for (const [needed, { condition: state }] of Object.entries(needs)) {
        expect(Object.keys(compose.services)).toContain(needed);
        expect(state, `${name} needs ${needed}`).toBe('service_healthy');
      }
    }
    for (const [name, { depends_on: needs }] of ours) {
      expect(Object.keys(needs), name).toEqual(expect.arrayContaining(['postgres', 'kurrentdb', 'kafka', 'redis']));
    }
  });

  it('has engines that keep what they must: no telemetry, no eviction', () => {
    expect(compose.services['kurrentdb']).toMatchObject({
      image: expect.stringMatching(/^kurrentplatform\/kurrentdb:26\.0\.\d+$/) as string,
      environment: { KURRENTDB_TELEMETRY_OPTOUT: true },
    });
    const redis = compose.services['redis']?.command ?? [];
    expect(redis[redis.indexOf('--maxmemory-policy') + 1]).toBe('noeviction');
    expect(redis[redis.indexOf('--appendonly') + 1]).toBe('yes');
    expect(compose.services['kafka']?.environment).toMatchObject({ KAFKA_PROCESS_ROLES: 'broker,controller' });
  });

  it('has a proxy that names its relays and neither buffers nor repeats calls', () => {
    const nginx = read('infra/compose/nginx.conf');
    const relays = [...nginx.matchAll(/server (relay-\d):8787/g)].map(([, name]) => name);
    expect(relays).toEqual(['relay-1', 'relay-2']);
    expect(nginx).toContain('proxy_buffering off;');
    expect(nginx).toContain('proxy_next_upstream error;');
    expect(nginx).toMatch(/location = \/v1\/realtime \{[^}]*proxy_set_header Upgrade \$http_upgrade;/);
  });
});

describe('The Dockerfile', () => {
  const dockerfile = read('Dockerfile');

  it('uses the Node that the project is tested with, as nobody of importance', () => {
    const { devDependencies } = z
      .looseObject({ devDependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read('package.json')));
    const versions = [...dockerfile.matchAll(/^FROM node:(\d+\.\d+\.\d+)-/gm)].map(([, version]) => version);
    expect(versions).toEqual([devDependencies['node'], devDependencies['node']]);
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  });

  it('copies what is there and what .dockerignore lets through', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) =>
      (paths ?? '').split(' '),
    );
    const allowed = read('.dockerignore').split('\n');
    expect(copied).toContain('services');
    for (const path of copied) {
      expect(existsSync(new URL(path, root)), path).toBe(true);
      expect(allowed, path).toContain(`!${path}`);
    }
  });
});
