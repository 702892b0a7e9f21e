import { formatPicos } from '../../../events/money.ts';
import type { PricedModel } from '../ports.ts';

/** Price books do not say when a provider made a model. */
const NO_DATE = '1970-01-01T00:00:00Z';

export function openaiModel({ model }: PricedModel) {
  return { id: model, object: 'model', created: 0, owned_by: 'tallystick' };
}

export function claudeModel({ model, maxOutputTokens }: PricedModel) {
  return { type: 'model', id: model, display_name: model, created_at: NO_DATE, max_tokens: maxOutputTokens };
}

export function geminiModel({ model, maxOutputTokens }: PricedModel) {
  return {
    name: `models/${model}`,
    baseModelId: model,
    version: '1',
    displayName: model,
    description: '',
    outputTokenLimit: maxOutputTokens,
    supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
  };
}

/** AI Hub's documents name a price only for models whose tokens all cost the same. */
export function hubModel({ model, currency, price }: PricedModel) {
  const perThousand = 'blended' in price ? Number(formatPicos(BigInt(price.blended) * 1_000n)) : null;
  const tier = model.endsWith(':free') ? 'free' : 'paid';
  return { id: model, name: model, description: '', price_per_1k: perThousand, currency, tier };
}
