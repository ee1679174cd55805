/** Names that can be taken for each other. */
import { LOOK_ALIKES } from "./confusables.ts";
import { isInvisible } from "./hidden_characters.ts";

/**
 * What a name looks like: two names of one skeleton can be taken for each other. Follows UTS #39 (NFKC, confusables of
 * Unicode), and reads capitals as small letters, `-` as `_`, `0` as `o`, `1` and `i` as `l`, and invisible characters not
 * at all.
 */
export function nameSkeleton(name: string): string {
  let skeleton = "";
  const chars = [...name.slice(0, MAX_NAME_LENGTH)];
  for (let at = 0; at < chars.length && skeleton.length < MAX_NAME_LENGTH; at += CHUNK) {
    for (const char of chars.slice(at, at + CHUNK).join("").normalize("NFKC")) {
      if (char > "\x7f" && isInvisible(char.codePointAt(0)!)) continue;
      const like = (PROTOTYPES.get(char) ?? char).toLowerCase();
      skeleton += ASCII_PROTOTYPES.get(like) ?? like;
    }
  }
  return skeleton.replace(LONG_RUN_OF_MARKS, "$1").normalize("NFKC");
}

/** Names of tools are not longer. */
const MAX_NAME_LENGTH = 256;
/** Normalised at a time: some characters are written out to eighteen, and long runs of marks take quadratic time. */
const CHUNK = 16;
const LONG_RUN_OF_MARKS = /(\p{M}{8})\p{M}+/gu;

const PROTOTYPES: ReadonlyMap<string, string> = new Map(
  LOOK_ALIKES.flatMap(([prototype, likes]) => [...likes].map((like) => [like, prototype] as const)),
);
const ASCII_PROTOTYPES: ReadonlyMap<string, string> = new Map([
  ["-", "_"],
  ["0", "o"],
  ["1", "l"],
  ["i", "l"],
]);

/** A tool by where it is. */
export interface NamedTool {
  readonly upstream: string;
  readonly name: string;
}

/** Tools by what their names look like: made once for many questions. */
export class ToolNames {
  readonly #bySkeleton = new Map<string, NamedTool[]>();

  constructor(tools: readonly NamedTool[]) {
    for (const tool of tools) {
      const skeleton = nameSkeleton(tool.name);
      const known = this.#bySkeleton.get(skeleton);
      if (known === undefined) this.#bySkeleton.set(skeleton, [tool]);
      else known.push(tool);
    }
  }

  /** All whose names look like this one, those that are the same included. */
  like(name: string): readonly NamedTool[] {
    return this.#bySkeleton.get(nameSkeleton(name)) ?? [];
  }
}
