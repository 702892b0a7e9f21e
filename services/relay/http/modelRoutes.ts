import { ApiError } from '../../http/errors.ts';
import type { Dialect, Reply, Route } from '../../http/route.ts';
import type { Clock } from '../../runtime.ts';
import { ollamaTags } from '../dialects/ollama/tags.ts';
import type { CallerKey, PricedModel, PriceLookup, Router } from '../ports.ts';
import { claudeModel, geminiModel, hubModel, openaiModel } from './modelViews.ts';
import { GEMINI_PLACES, HUB_PLACES, USUAL_PLACES, type KeyPlaces } from './presentedKey.ts';

/** How a kind of client reads one model, and a list of them. */
interface Shape {
  one(model: PricedModel): object;
  list(models: readonly PricedModel[]): object;
}

const OPENAI: Shape = { one: openaiModel, list: (models) => ({ object: 'list', data: models.map(openaiModel) }) };
const GEMINI: Shape = { one: geminiModel, list: (models) => ({ models: models.map(geminiModel) }) };
const HUB: Shape = { one: hubModel, list: (models) => ({ success: true, data: models.map(hubModel) }) };
const CLAUDE: Shape = {
  one: claudeModel,
  list: (models) => ({
    data: models.map(claudeModel),
    has_more: false,
    first_id: models[0]?.model ?? null,
    last_id: models.at(-1)?.model ?? null,
  }),
};
const OLLAMA: Shape = { one: openaiModel, list: (models) => ollamaTags(models.map(({ model }) => model)) };
const SHAPES: Readonly<Partial<Record<Dialect, Shape>>> = {
  claude: CLAUDE,
  gemini: GEMINI,
  aihub: HUB,
  ollama: OLLAMA,
};

/** Models that a key may use: priced, allowed, and served by some channel. One list, in every client's own shape. */
export function modelRoutes(prices: PriceLookup, router: Router, clock: Clock): readonly Route[] {
  const usable = (key: CallerKey): readonly PricedModel[] => {
    const served = router.models(key.mode);
    return prices
      .models(clock.now())
      .filter(({ model }) => (served?.has(model) ?? true) && (key.models?.has(model) ?? true));
  };
  function listAt(path: string, dialect: Route['dialect'], keyPlaces: KeyPlaces): Route {
    return {
      method: 'GET',
      path,
      dialect,
      policy: 'apiKey',
      keyPlaces,
      handle: (call, key) => Promise.resolve(ok(shapeFor(dialect, call).list(usable(key)))),
    };
  }

  /** Names of models may hold slashes. */
  function itemAt(path: string, dialect: Route['dialect']): Route {
    return {
      method: 'GET',
      path: `${path}/*id`,
      dialect,
      policy: 'apiKey',
      keyPlaces: GEMINI_PLACES,
      handle(call, key) {
        const found = usable(key).find(({ model }) => model === call.params['id']);
        if (!found) throw new ApiError('model_not_found', { param: 'model' });
        return Promise.resolve(ok(shapeFor(dialect, call).one(found)));
      },
    };
  }

  return [
    listAt('/v1/models', dialectOfCaller, GEMINI_PLACES),
    itemAt('/v1/models', dialectOfCaller),
    listAt('/v1beta/models', 'gemini', GEMINI_PLACES),
    itemAt('/v1beta/models', 'gemini'),
    listAt('/v1/chat/models', 'openai', USUAL_PLACES),
    listAt('/api/v1/chat/models', 'aihub', HUB_PLACES),
    listAt('/api/ai-service/models', 'ollama', USUAL_PLACES),
  ];
}

type Caller = Parameters<Exclude<Route['dialect'], Dialect>>[0];

/** Anthropic's clients state their version, wherever they put the key; Google's have a header of their own, or `?key=`. */
function dialectOfCaller({ headers, query }: Caller): Dialect {
  if (headers['anthropic-version'] !== undefined) return 'claude';
  return headers['x-goog-api-key'] !== undefined || query.has('key') ? 'gemini' : 'openai';
}

function shapeFor(dialect: Route['dialect'], caller: Caller): Shape {
  const known = typeof dialect === 'string' ? dialect : dialect(caller);
  return SHAPES[known] ?? OPENAI;
}

function ok(body: object): Reply {
  return { status: 200, body };
}
