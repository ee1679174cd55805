import type { KeyRing } from "../core/key_ring.ts";
import type { KnownKey } from "../store/key_fingerprints.ts";
import type { KeyRecords } from "./key_records.ts";

/** One key as `keys list` shows it. */
export interface KeyRow {
  readonly kid: string;
  readonly fingerprint: string;
  readonly ring: "active" | "verifies" | "missing";
  readonly database: "in use" | "known" | "new" | "retired" | "differs" | "?";
  readonly unexpired_tokens: number | null;
}

/** The keys of the ring and of the database, by key id. */
export function keyRows(
  ring: KeyRing,
  fingerprints: ReadonlyMap<string, string>,
  records: KeyRecords | undefined,
): readonly KeyRow[] {
  const kids = new Set([...ring.keys.keys(), ...records?.known.keys() ?? []]);
  return [...kids].sort().map((kid) => {
    const ours = fingerprints.get(kid);
    return {
      kid,
      fingerprint: ours ?? records?.known.get(kid)?.fingerprint ?? "",
      ring: kid === ring.active ? "active" : ours === undefined ? "missing" : "verifies",
      database: records === undefined ? "?" : stateOf(records.known.get(kid), ours),
      unexpired_tokens: records === undefined ? null : records.unexpiredTokens.get(kid) ?? 0,
    };
  });
}

function stateOf(
  known: KnownKey | undefined,
  ours: string | undefined,
): KeyRow["database"] {
  if (known === undefined) return "new";
  if (known.retiredAt !== undefined) return "retired";
  if (ours !== undefined && ours !== known.fingerprint) return "differs";
  return known.activatedAt === undefined ? "known" : "in use";
}
