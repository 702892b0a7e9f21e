import { inspect } from 'node:util';

const HIDDEN = '[secret]';
/** A shorter credential, such as `none` for a server that wants no real one, is a word that texts may hold. */
const SHORTEST_HIDDEN = 12;

/** A credential that cannot be printed by accident: logging, JSON and inspection show a placeholder. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** The bytes with a placeholder wherever this credential stands in them: some upstreams repeat it in their errors. */
  hiddenIn(bytes: Buffer): Buffer {
    if (this.#value.length < SHORTEST_HIDDEN || !bytes.includes(this.#value)) return bytes;
    return Buffer.from(bytes.toString('latin1').replaceAll(this.#value, HIDDEN), 'latin1');
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}
