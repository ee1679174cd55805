/** Pins: what each upstream tool was when it was first trusted or last approved, and how what it is now stands to that. */
import type { ToolFingerprint } from "./tool_digest.ts";

/** What happens to a tool that differs from its pin, or has none: `observe` lets it pass and says so. */
export type PinMode = "observe" | "quarantine" | "allow";

export interface PinModes {
  /** For tools whose definition is no longer the pinned one. */
  readonly toolChanges: PinMode;
  /** For tools that appear after the upstream's first reading. */
  readonly newTools: PinMode;
}

/** How a tool stands to its pin. */
export type PinState = "pinned" | "changed" | "new" | "blocked";

/** The pin that a decision saw. */
export interface ToolPin {
  readonly state: PinState;
  /** Digest of the pinned definition; absent for a tool without one. */
  readonly digest?: string;
  /** Digest of the definition that the upstream shows now. */
  readonly seen: string;
  /** It must look like a tool that does not exist. */
  readonly isHeld: boolean;
}

/** One row of the pins. */
export interface PinRow {
  readonly name: string;
  /** Digest of the pinned definition; absent until the tool is trusted. */
  readonly digest?: string | undefined;
  /** Digest of what the upstream shows instead, when that differs from the pinned one. */
  readonly candidate?: string | undefined;
  readonly isBlocked: boolean;
  /** Whether the upstream listed it when it was last read. */
  readonly isListed: boolean;
}

/** A tool as it was read. */
export interface SeenTool extends ToolFingerprint {
  readonly name: string;
}

/** What a reading changes in the pins. */
export interface PinPlan {
  /** Nothing of the upstream was pinned before: what is in `trusted` is trusted on first use. */
  readonly isFirst: boolean;
  /** The seen definition becomes the pinned one. */
  readonly trusted: readonly SeenTool[];
  /** The seen definition is remembered beside the pinned one, or without one. */
  readonly candidates: readonly SeenTool[];
  /** The pinned definition is shown again: the candidate goes. */
  readonly settled: readonly string[];
  /** No longer listed: a pin stays, a tool that was never pinned is forgotten. */
  readonly missing: readonly string[];
  readonly forgotten: readonly string[];
}

/** Most rows of one upstream: beyond them, new tools are neither recorded nor usable. */
export const MAX_PINS_PER_UPSTREAM = 20_000;

/**
 * What a reading changes, or `undefined` when the pins hold it already. `isSuspicious` finds what has no honest use: in
 * mode `quarantine` such a tool is not trusted on first use.
 */
export function planPins(
  rows: ReadonlyMap<string, PinRow>,
  isFirst: boolean,
  tools: readonly SeenTool[],
  modes: PinModes,
  isSuspicious: (tool: SeenTool) => boolean,
): PinPlan | undefined {
  const plan = { trusted: [] as SeenTool[], candidates: [] as SeenTool[], settled: [] as string[] };
  let room = MAX_PINS_PER_UPSTREAM - rows.size;
  for (const tool of tools) {
    const row = rows.get(tool.name);
    if (row === undefined && --room < 0) continue;
    if (row?.digest === tool.digest) {
      if (row.candidate !== undefined || !row.isListed) plan.settled.push(tool.name);
    } else if (
      isTrusted(row, modes, () => isFirst && !(modes.newTools === "quarantine" && isSuspicious(tool)))
    ) plan.trusted.push(tool);
    else if (row?.candidate !== tool.digest || !row.isListed) plan.candidates.push(tool);
  }
  const names = new Set(tools.map(({ name }) => name));
  const gone = [...rows.values()].filter((row) => row.isListed && !names.has(row.name));
  const missing = gone.filter((row) => isKept(row)).map(({ name }) => name);
  const forgotten = [...rows.values()].filter((row) => !names.has(row.name) && !isKept(row)).map(({ name }) =>
    name
  );
  const lists = [plan.trusted, plan.candidates, plan.settled, missing, forgotten];
  if (lists.every((list) => list.length === 0)) return undefined;
  return { isFirst, ...plan, missing, forgotten };
}

/** A block of a tool outlives the tool, also when it was never pinned. */
function isKept({ digest, isBlocked }: PinRow): boolean {
  return digest !== undefined || isBlocked;
}

function isTrusted(row: PinRow | undefined, modes: PinModes, onFirstUse: () => boolean): boolean {
  if (row?.isBlocked === true) return false;
  if (row?.digest !== undefined) return modes.toolChanges === "allow";
  if (modes.newTools === "allow") return true;
  return onFirstUse();
}

/** How a definition stands to its row. What is not recorded is held whatever the mode: the record comes first. */
export function pinOf(row: PinRow | undefined, seen: string, modes: PinModes): ToolPin {
  if (row === undefined) return { state: "new", seen, isHeld: true };
  const { digest, candidate, isBlocked } = row;
  const known = { seen, ...(digest === undefined ? {} : { digest }) };
  if (isBlocked) return { ...known, state: "blocked", isHeld: true };
  if (digest === seen) return { ...known, state: "pinned", isHeld: false };
  const mode = digest === undefined ? modes.newTools : modes.toolChanges;
  return {
    ...known,
    state: digest === undefined ? "new" : "changed",
    isHeld: mode !== "observe" || candidate !== seen,
  };
}
