import { describe, expect, it } from 'vitest';
import { Roster } from '../../../services/roster.ts';

function members(...names: string[]) {
  return names.map((name) => ({ name, rosterPlace: -1 }));
}

describe('a roster', () => {
  it('has those who came and did not leave, whatever the order of leaving', () => {
    const roster = new Roster<Named>();
    const [a, b, c, d] = members('a', 'b', 'c', 'd') as [Named, Named, Named, Named];
    for (const member of [a, b, c, d]) roster.add(member);
    roster.remove(b);
    roster.remove(d);
    expect(names(roster)).toEqual(['a', 'c']);
    roster.add(b);
    roster.remove(a);
    expect(names(roster)).toEqual(['b', 'c']);
    expect(roster.size).toBe(2);
  });

  it('ignores one who is not there, or left before', () => {
    const roster = new Roster<Named>();
    const [a, b, stranger] = members('a', 'b', 'stranger') as [Named, Named, Named];
    roster.add(a);
    roster.add(b);
    roster.remove(stranger);
    roster.remove(a);
    roster.remove(a);
    expect(names(roster)).toEqual(['b']);
  });

  it('lets members leave while it is walked through', () => {
    const roster = new Roster<Named>();
    for (const member of members('a', 'b', 'c')) roster.add(member);
    for (const member of roster.all()) roster.remove(member);
    expect(roster.size).toBe(0);
  });
});

interface Named {
  readonly name: string;
  rosterPlace: number;
}

function names(roster: Roster<Named>): string[] {
  return roster
    .all()
    .map(({ name }) => name)
    .sort();
}
