/** The place that one call holds among the requests of its upstream, from its decision to the end of its answer. */
import type { Arrival, FrontParts } from "./arrival.ts";
import type { UpstreamRefusal } from "./upstream_load.ts";

/** Taken once, given back once. */
export class UpstreamPlace {
  readonly #parts: Pick<FrontParts, "loads">;
  readonly #arrival: Arrival;
  #isHeld = false;
  /** Known when the caller is. */
  tenant = "";

  constructor(parts: Pick<FrontParts, "loads">, arrival: Arrival) {
    this.#parts = parts;
    this.#arrival = arrival;
  }

  /** Takes the place; a refusal says why there is none. An upstream that is not there has no places to take. */
  enter(): UpstreamRefusal | undefined {
    const { upstream } = this.#arrival;
    if (upstream === undefined) return undefined;
    const refusal = this.#parts.loads.enter(upstream.name, this.tenant);
    this.#isHeld = refusal === undefined;
    return refusal;
  }

  leave(): void {
    const { upstream } = this.#arrival;
    if (this.#isHeld && upstream !== undefined) this.#parts.loads.leave(upstream.name, this.tenant);
    this.#isHeld = false;
  }
}
