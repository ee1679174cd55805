/** Patterns of schemas, matched in time that grows with the text only: RE2, as `re2js` ports it. */
import { RE2JS } from "re2js";

/** A compiled pattern. */
export interface LinearPattern {
  /** Whether it matches somewhere in the text. */
  matches(text: string): boolean;
}

/** Longer patterns, and repetitions that RE2 would unroll beyond its own limit, are not compiled. */
const MAX_PATTERN_LENGTH = 1_000;

/** The pattern, `undefined` when RE2 cannot match it: look-around, back references, or simply wrong. */
export function linearPattern(source: string): LinearPattern | undefined {
  if (source.length > MAX_PATTERN_LENGTH) return undefined;
  try {
    const compiled = RE2JS.compile(asRe2(source));
    return { matches: (text) => compiled.matcher(text).find() };
  } catch {
    return undefined;
  }
}

/** ECMA-262 spellings that RE2 has other ones for. */
function asRe2(source: string): string {
  return source.replace(
    /\\(u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|c([A-Za-z])|\/|-|[\s\S])/g,
    (whole, ...found) => {
      const [what, braced, four, control] = found as (string | undefined)[];
      if (braced ?? four) return `\\x{${braced ?? four}}`;
      if (control !== undefined) return `\\x{${(control.toUpperCase().charCodeAt(0) - 64).toString(16)}}`;
      if (what === "/") return "/";
      return whole;
    },
  ).replace(/\$(?=$|\)|\|)/g, "\\z");
}
