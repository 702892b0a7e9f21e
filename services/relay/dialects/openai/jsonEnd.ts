/** Sees where a JSON object or list that arrives in pieces ends. It does not check the JSON; each character is read once. */
export class JsonEnd {
  #depth = 0;
  #inString = false;
  #escaped = false;
  #complete = false;

  /** The value that was begun is closed: nothing but white space can follow. */
  get complete(): boolean {
    return this.#complete;
  }

  feed(text: string): void {
    for (let index = 0; index < text.length; index += 1) this.#take(text.charCodeAt(index));
  }

  #take(code: number): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (code === 0x5c) this.#escaped = true;
      else if (code === 0x22) this.#inString = false;
    } else if (code === 0x22) this.#inString = true;
    else if (code === 0x7b || code === 0x5b) this.#depth += 1;
    else if (code === 0x7d || code === 0x5d) {
      this.#depth -= 1;
      if (this.#depth <= 0) this.#complete = true;
    }
  }
}
