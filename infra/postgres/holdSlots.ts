/**
 * The concurrency slots that this process has open, as it tells them to the database: changes from batch to batch, or
 * the whole when a session begins.
 */
export class HoldSlots {
  readonly #open = new Map<string, { readonly keyId: string; readonly deadline: number }>();
  #freed = new Map<string, number>();

  get size(): number {
    return this.#open.size;
  }

  get anyFreed(): boolean {
    return this.#freed.size > 0;
  }

  opened(requestId: string, keyId: string, deadline: number): void {
    this.#open.set(requestId, { keyId, deadline });
  }

  /** Unknown ids are ignored, so a slot is freed once. */
  free(requestId: string): void {
    const slot = this.#open.get(requestId);
    if (!slot) return;
    this.#open.delete(requestId);
    this.#freed.set(slot.keyId, (this.#freed.get(slot.keyId) ?? 0) + 1);
  }

  /** Frees what should have been freed long ago: a call past its deadline is the reaper's. */
  freeOverdue(now: number): void {
    for (const [requestId, slot] of this.#open) if (slot.deadline < now) this.free(requestId);
  }

  /** Freed slots per key since the last call of this or of `state`. */
  takeFreed(): ReadonlyMap<string, number> {
    const freed = this.#freed;
    this.#freed = new Map();
    return freed;
  }

  /** Open slots per key. What was freed until now is accounted for. */
  state(): ReadonlyMap<string, number> {
    this.#freed = new Map();
    const state = new Map<string, number>();
    for (const { keyId } of this.#open.values()) state.set(keyId, (state.get(keyId) ?? 0) + 1);
    return state;
  }
}
