import type { Reply, Route } from './route.ts';

/** Why the service is not ready; empty when it is. */
export type Readiness = () => Promise<readonly string[]>;

/** What machines ask: is the process alive, should it get calls, what are its figures. Open to whoever reaches the port. */
export function probeRoutes(
  readiness: Readiness,
  metrics: { readonly contentType: string; render(): Promise<string> },
): readonly Route[] {
  return [
    publicRoute('/livez', () => Promise.resolve({ status: 200, body: { status: 'alive' } })),
    publicRoute('/readyz', async () => {
      const problems = await readiness();
      return { status: problems.length === 0 ? 200 : 503, body: { ready: problems.length === 0, problems } };
    }),
    publicRoute('/metrics', async () => ({
      status: 200,
      body: await metrics.render(),
      headers: { 'content-type': metrics.contentType },
    })),
  ];
}

function publicRoute(path: string, handle: () => Promise<Reply>): Route {
  return { method: 'GET', path, dialect: 'plain', policy: 'public', handle };
}
