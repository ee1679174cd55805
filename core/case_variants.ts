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

/** The first of `names` that equals one of `wanted`, names in ASCII, only when case is ignored. */
export function findCaseVariant(names: readonly string[], wanted: ReadonlySet<string>): string | undefined {
  let folded: Set<string> | undefined;
  // One ASCII character is never folded from more than two UTF-16 units.
  const maxLength = 2 * Math.max(...[...wanted].map((name) => name.length));
  for (const name of names) {
    if (wanted.has(name) || name.length > maxLength) continue;
    folded ??= new Set([...wanted].map(foldCase));
    if (folded.has(foldCase(name))) return name;
  }
  return undefined;
}
