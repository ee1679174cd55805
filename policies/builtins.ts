import type { JsonValue } from "../core/json.ts";

/**
 * One Rego builtin that OPA's Wasm asks its host for. Sets arrive as arrays. `undefined` makes the expression
 * undefined, as OPA does; so does a throw, which is reported first.
 */
export type Builtin = (...operands: readonly JsonValue[]) => JsonValue | undefined;

/**
 * The host builtins of this gateway. About half of Rego's builtins run inside the Wasm and need no entry; a policy that
 * calls any other one is refused when it is loaded. Nothing here may reach the network, the clock or randomness.
 */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [
    "strings.any_prefix_match",
    (search, base) => matchesAny(search, base, (text, part) => text.startsWith(part)),
  ],
  [
    "strings.any_suffix_match",
    (search, base) => matchesAny(search, base, (text, part) => text.endsWith(part)),
  ],
]);

type Matches = (text: string, part: string) => boolean;

function matchesAny(search: JsonValue | undefined, base: JsonValue | undefined, matches: Matches): boolean {
  const parts = stringsOf(base);
  return stringsOf(search).some((text) => parts.some((part) => matches(text, part)));
}

function stringsOf(operand: JsonValue | undefined): readonly string[] {
  const list = Array.isArray(operand) ? operand : [operand];
  return list.map((item) => {
    if (typeof item !== "string") throw new TypeError("Expected a string or a collection of strings");
    return item;
  });
}
