/** What clients are given and give back: sealed, so that no replica has to keep it. */
import { createSeal, type Seal, type SealOptions } from "../core/sealing.ts";

/** Makes the seal of one kind of such texts; throws `RangeError` without the active key. */
export function createClientSeal(options: Omit<SealOptions, "randomBytes">): Seal {
  const { active, keys } = options.keys;
  if (!keys.has(active)) throw new RangeError(`Expected a session key "${active}"`);
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  return createSeal({ ...options, randomBytes });
}
