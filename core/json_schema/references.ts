/** References inside one schema document. */
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";

/** Looked through for an anchor; schemas with more parts have none that is found. */
const MAX_SEARCHED = 20_000;

/** What `#`, `#/a/pointer` or `#anchor` points at; `undefined` for what is not there or elsewhere. */
export function resolveReference(root: JsonObject, text: string): JsonValue | undefined {
  const own = typeof root.$id === "string" ? root.$id.replace(/#$/, "") : "";
  const hash = text.indexOf("#");
  const base = hash < 0 ? text : text.slice(0, hash);
  if (base !== "" && base !== own) return undefined;
  let fragment: string;
  try {
    fragment = hash < 0 ? "" : decodeURIComponent(text.slice(hash + 1));
  } catch {
    return undefined;
  }
  if (fragment === "") return root;
  if (!fragment.startsWith("/")) return findAnchor(root, fragment);
  let found: JsonValue | undefined = root;
  for (const part of fragment.slice(1).split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(found)) found = /^(0|[1-9]\d{0,6})$/.test(name) ? found[Number(name)] : undefined;
    else found = isJsonObject(found) && Object.hasOwn(found, name) ? found[name] : undefined;
  }
  return found;
}

function findAnchor(root: JsonObject, anchor: string): JsonObject | undefined {
  const queue: JsonValue[] = [root];
  for (let searched = 0; queue.length > 0 && searched < MAX_SEARCHED; searched++) {
    const value = queue.pop();
    if (typeof value !== "object" || value === null) continue;
    if (isJsonObject(value) && (value.$anchor === anchor || value.$id === `#${anchor}`)) return value;
    for (const [name, member] of Object.entries(value)) {
      if (name !== "const" && name !== "enum" && member !== undefined) queue.push(member);
    }
  }
  return undefined;
}
