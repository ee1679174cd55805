/**
 * Globs without regular expressions: a pattern of length m looks at each of n characters at most m times, whatever
 * pattern and text an attacker picks. Characters are Unicode code points; nothing is case-folded or normalised.
 */

/** A pattern ready to match. */
export interface Glob {
  readonly source: string;
  /** True when the pattern holds no wildcard and therefore matches one text only. */
  readonly isExact: boolean;
  matches(text: string): boolean;
}

type Step =
  | { readonly kind: "literal"; readonly character: string }
  | { readonly kind: "one" | "many"; readonly excluded: string };

/** Characters that `*` and `?` do not match in a URI: where a path segment, the path or the authority ends. */
const URI_BOUNDARIES = "/?#";

/** Longer URIs match no pattern with wildcards. */
export const MAX_URI_CHARACTERS = 2048;

/** A name glob: `*` is any run of characters, `?` exactly one; both match every character. */
export function nameGlob(pattern: string): Glob {
  if (pattern === "*") return { source: pattern, isExact: false, matches: () => true };
  const steps = [...pattern].map((character): Step => {
    if (character === "*") return { kind: "many", excluded: "" };
    if (character === "?") return { kind: "one", excluded: "" };
    return { kind: "literal", character };
  });
  return toGlob(pattern, steps, () => true);
}

/**
 * A URI glob: `*` is any run without `/`, `?` and `#`, `?` is one such character, `**` crosses everything. A pattern
 * with wildcards never matches a URI whose text and meaning may differ: dot segments, encoded dots or slashes,
 * backslashes, control characters or spaces.
 */
export function uriGlob(pattern: string): Glob {
  const characters = [...pattern];
  const steps: Step[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === "*" && characters[at + 1] === "*") {
      while (characters[at + 1] === "*") at++;
      steps.push({ kind: "many", excluded: "" });
    } else if (character === "*") steps.push({ kind: "many", excluded: URI_BOUNDARIES });
    else if (character === "?") steps.push({ kind: "one", excluded: URI_BOUNDARIES });
    else steps.push({ kind: "literal", character });
  }
  return toGlob(pattern, steps, isPlainUri);
}

function isPlainUri(uri: string): boolean {
  if (uri.length > MAX_URI_CHARACTERS) return false;
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u0020\u007f\\]|%2e|%2f|%5c|%25/i.test(uri)) return false;
  return !/(^|[/?#:])\.{1,2}([/?#]|$)/.test(uri);
}

function toGlob(source: string, steps: readonly Step[], mayMatch: (text: string) => boolean): Glob {
  if (!/[*?]/.test(source)) return { source, isExact: true, matches: (text) => text === source };
  return { source, isExact: false, matches: (text) => mayMatch(text) && run(steps, text) };
}

/** Follows all possible positions in the pattern at once. `reached[i]`: the first i steps match the text so far. */
function run(steps: readonly Step[], text: string): boolean {
  let reached = new Uint8Array(steps.length + 1);
  let next = new Uint8Array(steps.length + 1);
  reached[0] = 1;
  skipEmptyRuns(steps, reached);
  for (const character of text) {
    if (!advance(steps, character, reached, next)) return false;
    skipEmptyRuns(steps, next);
    [reached, next] = [next, reached];
  }
  return reached[steps.length] === 1;
}

/** Moves every reached position over one character; false when none is left. */
function advance(steps: readonly Step[], character: string, reached: Uint8Array, next: Uint8Array): boolean {
  let isAlive = false;
  next.fill(0);
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at]!;
    if (reached[at] === 0 || !accepts(step, character)) continue;
    next[step.kind === "many" ? at : at + 1] = 1;
    isAlive = true;
  }
  return isAlive;
}

function accepts(step: Step, character: string): boolean {
  return step.kind === "literal" ? step.character === character : !step.excluded.includes(character);
}

function skipEmptyRuns(steps: readonly Step[], reached: Uint8Array): void {
  for (let at = 0; at < steps.length; at++) {
    if (reached[at] === 1 && steps[at]!.kind === "many") reached[at + 1] = 1;
  }
}
