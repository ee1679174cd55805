/** Who wants which notifications of a link that belong to no request. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { NotificationFilter, NotificationListener } from "../upstream_link.ts";
import { MAX_LISTENERS, MAX_RESOURCE_URIS } from "./link_options.ts";
import { SUBSCRIPTION_META } from "./modern_meta.ts";

/** Says that an upstream has other tools now. */
export const TOOLS_CHANGED = "notifications/tools/list_changed";

const CHANGES: Readonly<Record<string, "toolsListChanged" | "promptsListChanged" | "resourcesListChanged">> =
  {
    [TOOLS_CHANGED]: "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
  };
const RESOURCE_UPDATED = "notifications/resources/updated";

/** True for notifications that belong to no request even when they come on the stream of one. */
export function isChangeNotice(method: string): boolean {
  return CHANGES[method] !== undefined || method === RESOURCE_UPDATED;
}

interface Entry {
  readonly filter: NotificationFilter;
  readonly listener: NotificationListener;
}

/** The listeners of one link. */
export class NotificationHub {
  readonly #entries = new Set<Entry>();

  get size(): number {
    return this.#entries.size;
  }

  /** Adds a listener and answers how to take it out; throws `RangeError` when there are too many. */
  add(filter: NotificationFilter, listener: NotificationListener): () => void {
    if (this.#entries.size >= MAX_LISTENERS) {
      throw new RangeError(`More than ${MAX_LISTENERS} listeners on one link`);
    }
    const wanted = new Set([...this.uris(), ...filter.resourceSubscriptions ?? []]);
    if (wanted.size > MAX_RESOURCE_URIS) {
      throw new RangeError(`More than ${MAX_RESOURCE_URIS} resources watched on one link`);
    }
    const entry = { filter, listener };
    this.#entries.add(entry);
    return () => this.#entries.delete(entry);
  }

  /** All resource URIs that anybody wants. */
  uris(): ReadonlySet<string> {
    return new Set([...this.#entries].flatMap(({ filter }) => filter.resourceSubscriptions ?? []));
  }

  /** What all listeners want together. */
  union(): NotificationFilter {
    const any = (name: "toolsListChanged" | "promptsListChanged" | "resourcesListChanged") =>
      [...this.#entries].some(({ filter }) => filter[name] === true) ? { [name]: true } : {};
    const uris = [...this.uris()].sort();
    return {
      ...any("toolsListChanged"),
      ...any("promptsListChanged"),
      ...any("resourcesListChanged"),
      ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
    };
  }

  /** Hands a change notice to those who want it, without the upstream's subscription id. */
  deliver(method: string, params: JsonObject): void {
    const clean = withoutSubscription(params);
    for (const { filter, listener } of [...this.#entries]) {
      if (isWanted(filter, method, params)) listener(method, clean);
    }
  }

  clear(): void {
    this.#entries.clear();
  }
}

function isWanted(filter: NotificationFilter, method: string, params: JsonObject): boolean {
  const change = CHANGES[method];
  if (change !== undefined) return filter[change] === true;
  if (method !== RESOURCE_UPDATED || typeof params.uri !== "string") return false;
  const { uri } = params;
  // A server may name a part of what is watched.
  return (filter.resourceSubscriptions ?? []).some((wanted) =>
    uri === wanted || uri.startsWith(`${wanted}/`)
  );
}

function withoutSubscription(params: JsonObject): JsonObject {
  if (!isJsonObject(params._meta)) return params;
  const { [SUBSCRIPTION_META]: _id, ...meta } = params._meta;
  const { _meta, ...rest } = params;
  return Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta };
}
