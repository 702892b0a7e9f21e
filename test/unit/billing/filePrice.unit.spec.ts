import { describe, expect, it } from 'vitest';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { parsePriceBook, PriceBookRefused } from '../../../services/billing/pricebook/priceBookFile.ts';

const effectiveFrom = '2026-01-01T00:00:00.000Z';

function parsed(entry: object): ModelPrice | undefined {
  return parsePriceBook({ effectiveFrom, models: [{ model: 'm', currency: 'USD', ...entry }] }).models[0];
}

function problemsOf(entry: object): readonly string[] {
  try {
    parsed(entry);
  } catch (error) {
    if (error instanceof PriceBookRefused) return error.problems;
    throw error;
  }
  return [];
}

const tokens = { uncachedInput: '1', outputText: '2' };

describe('prices in a file', () => {
  it('may be said by the piece', () => {
    expect(parsed({ perMillion: tokens, perUnit: { images: '0.04', requests: '1000' } })?.price).toEqual({
      meters: {
        uncachedInput: 1_000_000,
        outputText: 2_000_000,
        images: 40_000_000_000,
        requests: 1_000_000_000_000_000,
      },
    });
  });

  it('may be said by the minute: $0.006 is $0.0001 for a second', () => {
    expect(parsed({ perMillion: '0', perMinute: { seconds: '0.006' } })?.price).toEqual({
      meters: { uncachedInput: 0, outputText: 0, seconds: 100_000_000 },
    });
  });

  it('may be said by the thousand characters, or by the million', () => {
    const thousand = parsed({ perThousand: { uncachedInput: '0', outputText: '0', characters: '0.015' } });
    const million = parsed({ perMillion: { uncachedInput: '0', outputText: '0', characters: '15' } });
    expect(thousand?.price).toEqual({ meters: { uncachedInput: 0, outputText: 0, characters: 15_000_000 } });
    expect(million?.price).toEqual(thousand?.price);
  });

  it('stay blended when one text says all', () => {
    expect(parsed({ perMillion: '0.5' })?.price).toEqual({ blended: 500_000 });
  });

  it('let a long context change what it names', () => {
    const longContext = [
      { aboveInputTokens: 0, perMillion: { uncachedInput: '3' } },
      { aboveInputTokens: 200_000, perThousand: { outputText: '0.004' } },
    ];
    expect(parsed({ perMillion: tokens, longContext })?.price).toEqual({
      meters: { uncachedInput: 1_000_000, outputText: 2_000_000 },
      longContext: [
        { aboveInputTokens: 0, meters: { uncachedInput: 3_000_000 } },
        { aboveInputTokens: 200_000, meters: { outputText: 4_000_000 } },
      ],
    });
  });

  it('make a variant whole from the model and what it changes', () => {
    const variants = {
      'hd:1024x1792': { perUnit: { images: '0.12' } },
      flex: { perMillion: { outputText: '1' } },
    };
    expect(parsed({ perMillion: tokens, perUnit: { images: '0.04' }, variants })?.price).toEqual({
      meters: { uncachedInput: 1_000_000, outputText: 2_000_000, images: 40_000_000_000 },
      variants: {
        'hd:1024x1792': { meters: { uncachedInput: 1_000_000, outputText: 2_000_000, images: 120_000_000_000 } },
        flex: { meters: { uncachedInput: 1_000_000, outputText: 1_000_000, images: 40_000_000_000 } },
      },
    });
  });

  it('keep a variant whose name every object has', () => {
    expect(parsed({ perMillion: '1', variants: { constructor: { perMillion: { outputText: '9' } } } })?.price).toEqual({
      meters: { uncachedInput: 1_000_000, outputText: 1_000_000 },
      variants: { constructor: { meters: { uncachedInput: 1_000_000, outputText: 9_000_000 } } },
    });
  });

  it('say whether they are for every tag', () => {
    expect(parsed({ perMillion: '1', matchesTags: true })).toMatchObject({ matchesTags: true });
    expect(parsed({ perMillion: '1', matchesTags: false })).not.toHaveProperty('matchesTags');
  });
});

describe('a price is refused', () => {
  it.each([
    [
      'of a minute that does not come out exactly for a second',
      { perMillion: '1', perMinute: { seconds: '0.0000000001' } },
      'models.0.perMinute.seconds: "0.0000000001" is not a whole number of micro-units per million: a minute has 60 seconds, and each must have an exact price',
    ],
    [
      'of a piece with more than twelve decimal places',
      { perMillion: '1', perUnit: { images: '0.0000000000001' } },
      'models.0.perUnit.images: "0.0000000000001" is not a whole number of micro-units per million: at most 12 decimal places',
    ],
    [
      'of a piece that costs more than a thousand',
      { perMillion: '1', perUnit: { images: '1000.01' } },
      'models.0.perUnit.images: "1000.01" is more than a thousand for one unit',
    ],
    [
      'of a token that costs more than one',
      { perMillion: { ...tokens, outputText: '1000000.1' } },
      'models.0.perMillion.outputText: is more than one unit per token',
    ],
    [
      'of tokens by the piece',
      { perMillion: '1', perUnit: { outputText: '1' } },
      'models.0.perUnit: Unrecognized key: "outputText"',
    ],
    [
      'of anything but seconds by the minute',
      { perMillion: '1', perMinute: { seconds: '0.6', images: '1' } },
      'models.0.perMinute: Unrecognized key: "images"',
    ],
    [
      'of pieces alone, which would leave tokens free by omission',
      { perUnit: { images: '1' } },
      'models.0: needs exactly one of perThousand and perMillion',
    ],
    [
      'of a meter that is priced twice',
      { perMillion: { ...tokens, seconds: '1' }, perMinute: { seconds: '0.6' } },
      'models.0: seconds is priced twice',
    ],
    [
      'of a meter that a variant prices twice',
      { perMillion: '1', variants: { batch: { perMillion: { images: '1' }, perUnit: { images: '1' } } } },
      'models.0.variants.batch: images is priced twice',
    ],
    [
      'of thresholds that do not rise',
      {
        perMillion: '1',
        longContext: [5, 5].map((aboveInputTokens) => ({ aboveInputTokens, perMillion: { outputText: '1' } })),
      },
      'models.0.longContext.1.aboveInputTokens: thresholds must rise',
    ],
    [
      'of a long context that prices nothing',
      { perMillion: '1', longContext: [{ aboveInputTokens: 5 }] },
      'models.0.longContext.0: prices nothing',
    ],
    [
      'of a variant that does not say what a long context costs',
      {
        perMillion: '1',
        longContext: [{ aboveInputTokens: 5, perMillion: { outputText: '2' } }],
        variants: { batch: { perMillion: { outputText: '1' } } },
      },
      'models.0.variants.batch: needs longContext, because the model has it; [] for none',
    ],
    [
      'of a model that could be taken for a variant',
      { model: 'mini#batch', perMillion: '1' },
      'models.0.model: "#" is kept for variants',
    ],
    [
      'of every tag of a tag',
      { model: 'llama3:8b', perMillion: '1', matchesTags: true },
      'models.0.matchesTags: has a tag and cannot match others',
    ],
    [
      'of more than a hundred variants',
      {
        perMillion: '1',
        variants: Object.fromEntries(
          Array.from({ length: 101 }, (_, index) => [`v${String(index)}`, { perMillion: { outputText: '1' } }]),
        ),
      },
      'models.0.variants: at most 100 variants',
    ],
    [
      'of a name that leaves no room for a tag',
      { model: 'm'.repeat(136), perMillion: '1', matchesTags: true },
      'models.0.model: at most 135 characters with tags or variants',
    ],
  ])('%s', (_name, entry, problem) => {
    expect(problemsOf(entry)).toEqual([problem]);
  });

  it.each(['HD', '', 'a b', 'a#b', 'x'.repeat(65)])('of a variant called %j', (label) => {
    const variants = JSON.parse(`{${JSON.stringify(label)}: {"perMillion": {"outputText": "1"}}}`) as object;
    expect(problemsOf({ perMillion: '1', variants })).toHaveLength(1);
  });
});
