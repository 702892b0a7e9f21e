import { ApiError } from '../../http/errors.ts';
import type { Reply, Route } from '../../http/route.ts';
import type { Clock } from '../../runtime.ts';
import type { CallerKey, PricedModel, PriceLookup, Router } from '../ports.ts';

/** `GET /v1/models` and `/v1/models/{id}`: priced models that the key may use and that some channel serves. */
export function modelRoutes(prices: PriceLookup, router: Router, clock: Clock): readonly Route[] {
  const usable = (key: CallerKey): readonly PricedModel[] => {
    const served = router.models(key.mode);
    return prices
      .models(clock.now())
      .filter(({ model }) => (served?.has(model) ?? true) && (key.models?.has(model) ?? true));
  };
  return [
    {
      method: 'GET',
      path: '/v1/models',
      dialect: 'openai',
      policy: 'apiKey',
      handle: (_call, key) => Promise.resolve(ok({ object: 'list', data: usable(key).map(asModel) })),
    },
    {
      method: 'GET',
      path: '/v1/models/:id',
      dialect: 'openai',
      policy: 'apiKey',
      handle(call, key) {
        const found = usable(key).find(({ model }) => model === call.params['id']);
        if (!found) throw new ApiError('model_not_found', { param: 'model' });
        return Promise.resolve(ok(asModel(found)));
      },
    },
  ];
}

function asModel({ model }: PricedModel) {
  return { id: model, object: 'model', created: 0, owned_by: 'tallystick' };
}

function ok(body: object): Reply {
  return { status: 200, body };
}
