import type { Call, Route } from '../../http/route.ts';
import { cancellation, deleted, retrieved, type ResponseStore } from '../dialects/responses/storedResponses.ts';
import type { CallerKey } from '../ports.ts';

/** What a client does with a response that is stored. Where nothing is stored, every id is unknown. */
export function storedResponseRoutes(store: ResponseStore | null): readonly Route[] {
  const find = (accountId: string, id: string) => store?.find(accountId, id) ?? Promise.resolve(null);
  return [
    {
      ...at('GET', '/v1/responses/:id'),
      async handle({ params: { id = '' }, query }: Call, { accountId }: CallerKey) {
        const body = retrieved(await find(accountId, id), query.get('stream') === 'true');
        return { status: 200, body, headers: { 'content-type': 'application/json; charset=utf-8' } };
      },
    },
    {
      ...at('DELETE', '/v1/responses/:id'),
      async handle({ params: { id = '' } }: Call, { accountId }: CallerKey) {
        return { status: 200, body: deleted((await store?.remove(accountId, id)) ?? false, id) };
      },
    },
    {
      ...at('POST', '/v1/responses/:id/cancel'),
      async handle({ params: { id = '' } }: Call, { accountId }: CallerKey): Promise<never> {
        throw cancellation(await find(accountId, id));
      },
    },
  ];
}

function at(method: Route['method'], path: string) {
  return { method, path, dialect: 'openai', policy: 'apiKey' } as const;
}
