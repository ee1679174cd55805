/**
 * Names that differ only in case. Some JSON readers (Go's `encoding/json` among them) match member names without
 * regard to case, so `Name` beside or instead of `name` would mean one thing here and another there.
 */

/**
 * Longer names are not folded: normalising takes quadratic time on a long run of combining marks, and what an attacker
 * sends before anybody knows him must be cheap. A name this long folds to nothing that a protocol or a tool declares.
 */
const MAX_FOLDED_LENGTH = 256;

/**
 * A name as the most lenient reader sees it: without case, without compatibility forms, and folding what only Unicode
 * folds (`ſ` is `s`, the Kelvin sign is `k`).
 */
export function foldCase(name: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(name)) return name.toLowerCase();
  return name.length > MAX_FOLDED_LENGTH ? name : name.normalize("NFKC").toUpperCase().toLowerCase();
}

/** The names that a protocol declares, in ASCII, ready to recognise spellings of them that differ in case. */
export class DeclaredNames {
  readonly #names: ReadonlySet<string>;
  readonly #folded: ReadonlySet<string>;
  readonly #maxLength: number;

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    this.#folded = new Set(names.map(foldCase));
    // One ASCII character is never folded from more than two UTF-16 units.
    this.#maxLength = 2 * Math.max(...names.map((name) => name.length));
  }

  /** The first of `names` that equals a declared one only when case is ignored. */
  findVariant(names: readonly string[]): string | undefined {
    for (const name of names) {
      if (this.#names.has(name) || name.length > this.#maxLength) continue;
      if (this.#folded.has(foldCase(name))) return name;
    }
    return undefined;
  }
}
