/** What a caller has open, asked again whenever tokens are revoked or stopped: it ends when its token no longer counts. */

/** What ends then. */
export interface Endable {
  abort(): void;
}

/** How many are asked at once, before others get their turn. */
const SLICE = 128;

/** What is open on one replica. */
export class Rechecks {
  readonly #open = new Map<Endable, () => Promise<boolean>>();
  #count = 0;
  #checking: Promise<void> | undefined;
  #again = false;

  /** How often everything was asked. Who came before the last time has to be asked, too. */
  get count(): number {
    return this.#count;
  }

  /**
   * Keeps something until `delete`, of a caller who was admitted when `count` was not less than `rechecksBefore`. `mayStay`
   * says whether the caller would still get it; it is asked at once when everybody else was asked meanwhile.
   */
  add(one: Endable, mayStay: () => Promise<boolean>, rechecksBefore: number): void {
    this.#open.set(one, mayStay);
    if (this.#count !== rechecksBefore) void this.#check(one, mayStay);
  }

  delete(one: Endable): void {
    this.#open.delete(one);
  }

  /** Asks for each whether it may stay, and ends those that may not. Resolves when all were asked. */
  recheck(): Promise<void> {
    this.#count++;
    this.#again = this.#checking !== undefined;
    this.#checking ??= this.#checkAll().finally(() => {
      this.#checking = undefined;
      if (this.#again) void this.recheck();
    });
    return this.#checking;
  }

  async #checkAll(): Promise<void> {
    const open = [...this.#open];
    for (let from = 0; from < open.length; from += SLICE) {
      // Together: each refusal waits for its record, and a thousand one after the other would take half a minute.
      await Promise.all(open.slice(from, from + SLICE).map(([one, mayStay]) => this.#check(one, mayStay)));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  async #check(one: Endable, mayStay: () => Promise<boolean>): Promise<void> {
    if (!this.#open.has(one)) return;
    // Who cannot be asked must not stay.
    if (!await mayStay().catch(() => false)) one.abort();
  }
}
