/** What a chain is held against when it is verified: signed checkpoints, wherever they are kept. */
import type { ChainBreak } from "./chain_walk.ts";
import { type Checkpoint, isOfLog, openCheckpoint } from "./checkpoint.ts";
import { hex } from "./digest.ts";
import type { StoredCheckpoint } from "./log_signer.ts";
import { consistencyProof, equal, treeRoot, verifyConsistency } from "./merkle_tree.ts";
import { NoteError, type NoteVerifier, parseNote } from "./signed_note.ts";
import { TileError, tileNodes, type TreeStore } from "./tiles.ts";

/** What is known of a chain besides its database. */
export interface HeldElsewhere {
  /** The checkpoint in the second place. */
  readonly note?: string | undefined;
  /** What a checkpoint place holds against the log's continuation. */
  readonly conflict?: { readonly code: "rolled_back" | "forked"; readonly size: number } | undefined;
}

/** A size at which the tree must have this root. */
export interface SignedPoint {
  readonly size: number;
  readonly root: Uint8Array;
  /** Who says so. */
  readonly by: string;
}

/** A place where a chain is not what was signed. */
export class PointBreak extends Error {
  override readonly name = "PointBreak";
  constructor(readonly at: ChainBreak) {
    super(at.found);
  }
}

/** The checkpoints that one verification begins with. */
export interface OpenedPoints {
  /** The database's newest. */
  readonly signed: (Checkpoint & { readonly note: string }) | undefined;
  /** The same where it is one of a name that the log had before: the chain must hold against it, but it proves nothing now. */
  readonly underOldName: Checkpoint | undefined;
  /** The one in the second place. */
  readonly kept: Checkpoint | undefined;
  /** The one that was verified before. */
  readonly since: Checkpoint | undefined;
  /** All of them, and the one that the asker expects. */
  readonly points: SignedPoint[];
}

interface LogKeys {
  readonly origin: string;
  readonly keys: readonly NoteVerifier[];
}

/** Opens them; throws `PointBreak` for one that this log has not signed. */
export function openPoints(
  order: LogKeys & { readonly expected?: string | undefined; readonly since?: string | undefined },
  stored: StoredCheckpoint | undefined,
  { note }: HeldElsewhere,
): OpenedPoints {
  const oldName = stored && oldNameIn(stored.note, order.origin);
  const newest = stored && { ...openStored(stored, order, oldName), note: stored.note };
  const [signed, underOldName] = oldName === undefined ? [newest, undefined] : [undefined, newest];
  const kept = openOptional(note, order, "signature", " in the second place");
  const expected = openOptional(order.expected, order, "expected");
  const since = openOptional(order.since, order, "signature");
  const points = [
    ...said(signed, "as signed"),
    ...said(underOldName, `as signed under the name "${oldName}"`),
    ...said(kept, "as the checkpoint in the second place says"),
    ...said(expected, "as the expected checkpoint says"),
    ...said(since, "as verified before"),
  ];
  return { signed, underOldName, kept, since, points };
}

/** The log's earlier name, where a note claims to be of the same chain under another one. */
function oldNameIn(note: string, origin: string): string | undefined {
  if (isOfLog(note, origin)) return undefined;
  const name = note.slice(0, note.indexOf("\n"));
  return name.endsWith(origin.slice(origin.lastIndexOf("/"))) ? name : undefined;
}

/** Opens a checkpoint of the database, whose columns must say what its note does; throws `PointBreak`. */
function openStored(stored: StoredCheckpoint, log: LogKeys, oldName?: string): Checkpoint {
  const opened = open(stored.note, log, { what: "signature", where: "", oldName });
  const wrong = (expected: string, found: string) =>
    new PointBreak({ seq: 0, what: "signature", expected, found });
  if (opened.size !== stored.size) {
    throw wrong(`a checkpoint of size ${stored.size}`, `one of ${opened.size}`);
  }
  if (!equal(opened.root, stored.root)) {
    throw wrong(`root ${hex(opened.root)} beside the checkpoint of size ${opened.size}`, hex(stored.root));
  }
  return opened;
}

/**
 * The same of one on the way. `undefined` where no known key claims it: older ones may be signed by keys that are no longer used,
 * or under a name that the log had before.
 */
export function openEarlier(stored: StoredCheckpoint, log: LogKeys): Checkpoint | undefined {
  const isKnown = (name: string, keyId: string) =>
    log.keys.some((key) => key.name === name && key.keyId === keyId);
  try {
    if (!parseNote(stored.note).signatures.some(({ name, keyId }) => isKnown(name, keyId))) return undefined;
  } catch (error) {
    if (!(error instanceof NoteError)) throw error; // told below
  }
  return openStored(stored, log);
}

/**
 * Throws `PointBreak` unless the stored tree leads from `point` to `later`, which is known to be its tree: a tile alone could
 * be another one than that under the later root.
 */
export async function requireLeadsTo(
  tree: TreeStore,
  chain: string,
  point: SignedPoint,
  later: Pick<Checkpoint, "size" | "root">,
): Promise<void> {
  const { size, root, by } = point;
  const read = tileNodes(tree, chain, later.size);
  const wrong = (found: string) =>
    new PointBreak({ seq: size, what: "checkpoint", expected: `root ${hex(root)}, ${by}`, found });
  try {
    if (verifyConsistency(point, later, await consistencyProof(size, later.size, read))) return;
    const found = await treeRoot(size, read);
    throw wrong(equal(found, root) ? `a tree of ${later.size} that has another` : `root ${hex(found)}`);
  } catch (error) {
    if (error instanceof TileError) throw wrong(error.message);
    throw error;
  }
}

/** What a place outside holds against a chain that is whole in itself. */
export function outsideBreak(
  { code, size }: NonNullable<HeldElsewhere["conflict"]>,
  events: number,
): ChainBreak {
  if (code === "rolled_back" && size > events) {
    const expected = `${size} events, as a checkpoint place holds`;
    return { seq: events + 1, what: "missing", expected, found: `${events} events` };
  }
  const expected = `a log that continues the ${size} events which a checkpoint place holds`;
  return { seq: size, what: "checkpoint", expected, found: `another one, by its word (${code})` };
}

function said(checkpoint: Checkpoint | undefined, by: string): SignedPoint[] {
  return checkpoint === undefined ? [] : [{ size: checkpoint.size, root: checkpoint.root, by }];
}

function openOptional(
  note: string | undefined,
  log: LogKeys,
  what: "signature" | "expected",
  where = "",
): Checkpoint | undefined {
  return note === undefined ? undefined : open(note, log, { what, where });
}

function open(note: string, log: LogKeys, { what, where, oldName }: {
  readonly what: "signature" | "expected";
  readonly where: string;
  readonly oldName?: string | undefined;
}): Checkpoint {
  try {
    return openCheckpoint(note, oldName === undefined ? log : renamed(log, oldName)).checkpoint;
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    const expected = `a signed checkpoint of "${log.origin}"${where}`;
    throw new PointBreak({ seq: 0, what, expected, found: error.message });
  }
}

/** The log as it was under another name: its own keys, and no others, signed then too. */
function renamed({ origin, keys }: LogKeys, name: string): LogKeys {
  return { origin: name, keys: keys.filter((key) => key.name === origin).map((key) => key.named(name)) };
}
