import Table from 'cli-table3';
import { FEATURES, type Feature } from './features.ts';

/** What was recorded of each cell, and its printed form. */
export class Matrix {
  readonly #rows = new Map<string, Map<Feature, string>>();

  plan(client: string, vendor: string): void {
    this.#rows.set(`${client} → ${vendor}`, new Map(FEATURES.map((feature) => [feature, ''])));
  }

  record(client: string, vendor: string, feature: Feature, outcome: string): void {
    this.#rows.get(`${client} → ${vendor}`)?.set(feature, outcome);
  }

  /** Cells that were planned and of which nothing was recorded. */
  empty(): string[] {
    return [...this.#rows].flatMap(([row, cells]) =>
      [...cells].filter(([, outcome]) => outcome === '').map(([feature]) => `${row}: ${feature}`),
    );
  }

  toString(): string {
    const head = ['dialect → upstream', ...FEATURES.map((feature) => feature.replace(' ', '\n'))];
    const table = new Table({ head, chars: PLAIN, style: { head: [], 'padding-left': 0, 'padding-right': 1 } });
    for (const [row, cells] of this.#rows) table.push([row, ...FEATURES.map((feature) => cells.get(feature) ?? '·')]);
    return table.toString();
  }
}

/** Blanks in place of a frame, so that the whole table is as narrow as it can be. */
const EDGES = ['top', 'bottom', 'left', 'right', 'mid'] as const;
const JOINTS = ['top-mid', 'top-left', 'top-right', 'bottom-mid', 'bottom-left', 'bottom-right'] as const;
const CROSSINGS = ['left-mid', 'mid-mid', 'right-mid', 'middle'] as const;
const PLAIN = Object.fromEntries([...EDGES, ...JOINTS, ...CROSSINGS].map((place) => [place, '']));
