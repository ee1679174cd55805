/** Entries of `tools`, `deny_tools`, `prompts` and keys of `args`: a name or glob, optionally as `upstream__name`. */
import { type Glob, nameGlob } from "../glob.ts";

/** One entry, ready to match. */
export interface ScopeEntry {
  readonly source: string;
  /** The narrow reading: with `__` in it, the entry means that upstream's name and nothing else. */
  permits(upstream: string, name: string): boolean;
  /** The wide reading, for what takes away: an entry with `__` may also be a whole name. */
  concerns(upstream: string, name: string): boolean;
  /** The narrow reading, and the entry spells the name out without a wildcard. */
  namesExactly(upstream: string, name: string): boolean;
}

/** Reads one entry. Upstream names never hold `__`, so the first one ends the upstream. */
export function scopeEntry(source: string): ScopeEntry {
  const whole = nameGlob(source);
  const at = source.indexOf("__");
  // An entry that starts or ends with its only "__" has no upstream or no name: it is a plain name.
  if (at < 1 || at + 2 >= source.length) return plainEntry(source, whole);
  const upstreamPart = nameGlob(source.slice(0, at));
  const namePart = nameGlob(source.slice(at + 2));
  const permits = (upstream: string, name: string) =>
    upstreamPart.matches(upstream) && namePart.matches(name);
  return {
    source,
    permits,
    concerns: (upstream, name) => permits(upstream, name) || whole.matches(name),
    namesExactly: (upstream, name) => upstreamPart.isExact && namePart.isExact && permits(upstream, name),
  };
}

function plainEntry(source: string, glob: Glob): ScopeEntry {
  const permits = (_upstream: string, name: string) => glob.matches(name);
  return {
    source,
    permits,
    concerns: permits,
    namesExactly: (upstream, name) => glob.isExact && permits(upstream, name),
  };
}
