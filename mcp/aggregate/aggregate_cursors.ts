/**
 * Cursors of the aggregate endpoint's lists: where each upstream goes on. Sealed, because they name upstreams, also those of
 * which the caller may see nothing.
 */
import { Buffer } from "node:buffer";
import { isJsonObject } from "../../core/json.ts";
import type { SealKeys } from "../../core/sealing.ts";
import { MessageError, type RequestMessage } from "../message.ts";
import type { Admitted } from "../port.ts";
import { RPC } from "../refusals.ts";
import { createClientSeal } from "../sealing.ts";

const MAX_CURSOR_LENGTH = 256 * 1024;
/** What of that is left for the cursors: sealing makes four characters of three bytes, and adds some. */
const MAX_PLAIN_LENGTH = MAX_CURSOR_LENGTH * 3 / 4 - 1_024;

/** By upstream its own cursor; an empty one is its first page. */
export type UpstreamCursors = ReadonlyMap<string, string>;

/** For whom a list is made. */
type Reader = Pick<Admitted, "tenant" | "rootBlockId">;

/** Writes and reads cursors. */
export interface AggregateCursors {
  /** `undefined` when the list has ended. */
  write(cursors: UpstreamCursors, message: RequestMessage, reader: Reader): Promise<string | undefined>;
  /** `undefined` for the first page; throws `MessageError` for what is no cursor of this list and reader. */
  read(message: RequestMessage, reader: Reader): Promise<UpstreamCursors | undefined>;
}

/** Makes cursors under the keys of sessions. */
export function createAggregateCursors(keys: SealKeys): AggregateCursors {
  const context = "intentgate-mcp-list-cursor-v1";
  const seal = createClientSeal({ keys, prefix: "igc1.", context, maxLength: MAX_CURSOR_LENGTH });
  return {
    write: async (cursors, message, reader) => {
      const fitting = thatFit(cursors);
      return fitting.length === 0
        ? undefined
        : await seal.seal({ cursors: Object.fromEntries(fitting) }, boundTo(message, reader));
    },
    async read(message, reader) {
      const given = message.params?.cursor;
      if (given === undefined) return undefined;
      const opened = typeof given === "string" ? await seal.open(given, boundTo(message, reader)) : undefined;
      const cursors = isJsonObject(opened) ? opened.cursors : undefined;
      if (!isJsonObject(cursors)) {
        throw new MessageError(RPC.invalidParams, '"params.cursor" is not one of this list', message.id);
      }
      // What the key has authenticated was written by `write`.
      return new Map(Object.entries(cursors) as [string, string][]);
    },
  };
}

/** Without the longest, whose lists end, when all together would be too long: those of the others go on. */
function thatFit(cursors: UpstreamCursors): readonly (readonly [string, string])[] {
  const lengthOf = (entry: readonly [string, string]) => Buffer.byteLength(JSON.stringify(entry), "utf8");
  const entries = [...cursors].sort((one, other) => lengthOf(one) - lengthOf(other));
  let length = 0;
  return entries.filter((entry) => (length += lengthOf(entry)) <= MAX_PLAIN_LENGTH);
}

function boundTo({ method }: RequestMessage, { tenant, rootBlockId }: Reader): string {
  return JSON.stringify([method, tenant, rootBlockId]);
}
