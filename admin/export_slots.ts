/** How many exports may be under way, and how they end when their reader is gone or does not read. */
import { createReaderSlots, type ReaderSlots } from "./reader_slots.ts";

/** Exports at once, of all operators, of one, and of one tenant's record, in one replica. */
const MAX_EXPORTS = 8;
const MAX_EXPORTS_PER_OPERATOR = 2;
const MAX_EXPORTS_PER_TENANT = 4;
/** An export whose reader takes nothing for so long is ended. */
const EXPORT_IDLE_MS = 60_000;
/** An export ends after this time; `audit export` goes on with it. */
const MAX_EXPORT_MS = 60 * 60_000;

export type ExportSlots = ReaderSlots;

/** Makes the room of one replica. */
export function createExportSlots(idleMs = EXPORT_IDLE_MS, longestMs = MAX_EXPORT_MS): ExportSlots {
  return createReaderSlots({
    ...{ most: MAX_EXPORTS, mostPerOperator: MAX_EXPORTS_PER_OPERATOR },
    ...{ mostPerTenant: MAX_EXPORTS_PER_TENANT, idleMs, longestMs },
  });
}
