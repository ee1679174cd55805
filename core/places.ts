/**
 * Places that parties (tenants, addresses, chains) share, without a queue and without knowing the parties beforehand.
 *
 * The last eighth is for those who hold less than an equal share (of all parties and one that may come): so one party
 * alone can use seven eighths, and there is room for a party that comes.
 */
export class Places {
  readonly limit: number;
  /** Kept for parties that hold little. */
  readonly #reserve: number;
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(limit: number) {
    if (!(limit >= 1)) throw new RangeError(`Expected a limit of at least 1, got ${limit}`);
    this.limit = limit;
    this.#reserve = Math.floor(limit / 8);
  }

  /** How much is taken, of all parties. */
  get taken(): number {
    return this.#taken;
  }

  /** How much this party holds. */
  held(party: string): number {
    return this.#held.get(party) ?? 0;
  }

  /** Whether `enter` would succeed now. */
  hasRoom(party: string, size = 1): boolean {
    const after = this.#taken + size;
    if (after > this.limit) return false;
    if (after <= this.limit - this.#reserve) return true;
    const held = this.#held.get(party);
    const parties = this.#held.size + (held === undefined ? 1 : 0);
    return ((held ?? 0) + size) * (parties + 1) <= this.limit;
  }

  /** Takes a place, or `size` of them; false when this party must not have more. */
  enter(party: string, size = 1): boolean {
    if (!this.hasRoom(party, size)) return false;
    this.force(party, size);
    return true;
  }

  /** Takes them whatever the limit says: for what must not be refused and is bounded elsewhere. */
  force(party: string, size = 1): void {
    this.#taken += size;
    this.#held.set(party, (this.#held.get(party) ?? 0) + size);
  }

  /** Gives back what was taken. */
  leave(party: string, size = 1): void {
    const left = (this.#held.get(party) ?? 0) - size;
    if (left < 0) throw new RangeError(`"${party}" gives back ${size} places and holds ${left + size}`);
    this.#taken -= size;
    if (left === 0) this.#held.delete(party);
    else this.#held.set(party, left);
  }
}
