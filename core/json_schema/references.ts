/** References inside one schema document. */
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";

/** Looked through for anchors; what comes later has none that is found. */
const MAX_SEARCHED = 20_000;

/** The places of one document. Anchors are looked for once, whatever the number of references. */
export class SchemaReferences {
  readonly #root: JsonObject;
  readonly #own: string;
  #anchors: ReadonlyMap<string, JsonObject> | undefined;

  constructor(root: JsonObject) {
    this.#root = root;
    this.#own = typeof root.$id === "string" ? root.$id.replace(/#$/, "") : "";
  }

  /** What `#`, `#/a/pointer` or `#anchor` points at; `undefined` for what is not there or elsewhere. */
  resolve(text: string): JsonValue | undefined {
    const hash = text.indexOf("#");
    const base = hash < 0 ? text : text.slice(0, hash);
    if (base !== "" && base !== this.#own) return undefined;
    let fragment: string;
    try {
      fragment = hash < 0 ? "" : decodeURIComponent(text.slice(hash + 1));
    } catch {
      return undefined;
    }
    if (fragment === "") return this.#root;
    if (!fragment.startsWith("/")) return (this.#anchors ??= anchorsOf(this.#root)).get(fragment);
    return pointedAt(this.#root, fragment);
  }
}

function pointedAt(root: JsonObject, pointer: string): JsonValue | undefined {
  let found: JsonValue | undefined = root;
  for (const part of pointer.slice(1).split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(found)) found = /^(0|[1-9]\d{0,6})$/.test(name) ? found[Number(name)] : undefined;
    else found = isJsonObject(found) && Object.hasOwn(found, name) ? found[name] : undefined;
    if (found === undefined) return undefined;
  }
  return found;
}

function anchorsOf(root: JsonObject): ReadonlyMap<string, JsonObject> {
  const anchors = new Map<string, JsonObject>();
  const queue: JsonValue[] = [root];
  for (let searched = 0; queue.length > 0 && searched < MAX_SEARCHED; searched++) {
    const value = queue.pop();
    if (typeof value !== "object" || value === null) continue;
    if (isJsonObject(value)) {
      for (const anchor of [value.$anchor, /^#(.+)$/s.exec(String(value.$id ?? ""))?.[1]]) {
        if (typeof anchor === "string" && !anchors.has(anchor)) anchors.set(anchor, value);
      }
    }
    for (const [name, member] of Object.entries(value)) {
      if (name !== "const" && name !== "enum" && member !== undefined) queue.push(member);
    }
  }
  return anchors;
}
