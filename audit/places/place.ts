/** What a checkpoint place is: somewhere outside that keeps signed checkpoints, or cosigns them. */
import type { CheckpointPlaceType } from "../../core/checkpoint_places.ts";

/** A signed checkpoint on its way. */
export interface PlacedCheckpoint {
  readonly chain: string;
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** The signed note, without cosignatures. */
  readonly note: string;
}

/** What a witness adds to a checkpoint. */
export interface Cosignature {
  /** Name and id of its key: who is configured twice counts once. */
  readonly witness: string;
  /** A signature line with its line break. */
  readonly line: string;
}

/** What a place holds against the log: a checkpoint of it that ours does not continue. */
export interface PlaceConflict {
  /** `rolled_back`: of more events. `forked`: of other events. */
  readonly code: "rolled_back" | "forked";
  /** Events that it has. */
  readonly size: number;
}

/** How a push ended, when the place answered and was understood. */
export type PushResult =
  /** The place has it now; a witness gives its cosignature, which was verified. */
  | { readonly kind: "taken"; readonly cosignature?: Cosignature }
  | ({ readonly kind: "conflict" } & PlaceConflict);

/** Where checkpoints go. */
export interface CheckpointPlace {
  readonly name: string;
  readonly type: CheckpointPlaceType;
  /** No chain is pushed more often. */
  readonly intervalSeconds: number;
  /** `heldSize` is the largest that it has taken as far as we know. Throws `PlaceError`, or what the database throws. */
  push(checkpoint: PlacedCheckpoint, heldSize: number, signal: AbortSignal): Promise<PushResult>;
}

/** The place did not take it; the message is for operators and names neither address nor secret. */
export class PlaceError extends Error {
  override readonly name = "PlaceError";

  /** `isDown`: whatever else is sent there now will fail too. */
  constructor(message: string, readonly isDown = false) {
    super(message);
  }
}
