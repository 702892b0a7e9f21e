/** A member remembers its place, so that leaving is as cheap as coming. Written by the roster only. */
export interface RosterMember {
  rosterPlace: number;
}

/**
 * Who is here just now, in no order. For members that come and go by the thousand a second: a Map or Set of them makes
 * a new table now and then, and each dead table in the old heap keeps its members, and the next table, from the
 * scavenger. A member is in one roster at most.
 */
export class Roster<T extends RosterMember> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: T): void {
    member.rosterPlace = this.#members.length;
    this.#members.push(member);
  }

  /** Does nothing for one who is not here. */
  remove(member: T): void {
    const place = member.rosterPlace;
    if (this.#members[place] !== member) return;
    const last = this.#members.pop();
    if (last === undefined || last === member) return;
    last.rosterPlace = place;
    this.#members[place] = last;
  }

  /** Everybody who is here now; members may leave while the answer is walked through. */
  all(): readonly T[] {
    return [...this.#members];
  }
}
