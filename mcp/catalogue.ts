/** What the upstreams' tools are, read by the gateway itself in a session of its own and kept for a short time. */
import type { ToolDefinition } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import { deepFreeze } from "./tool_call.ts";
import { readToolPages } from "./catalogue_session.ts";
import type { ExchangeClock, ResolvedUpstream } from "./upstream_connection.ts";

export interface Catalogue {
  /**
   * The upstream's definition of a tool; at once when the catalogue is fresh. Rejects with `GatewayError` when it cannot be
   * read.
   */
  definition(
    upstream: string,
    name: string,
  ): ToolDefinition | undefined | Promise<ToolDefinition | undefined>;
  /** All tools of an upstream; throws `GatewayError` when the catalogue cannot be read. */
  tools(upstream: string): Promise<readonly ToolDefinition[]>;
  /** The upstream says that its tools have changed. */
  invalidate(upstream: string): void;
}

export interface CatalogueOptions extends ExchangeClock {
  readonly upstreams: ReadonlyMap<string, ResolvedUpstream>;
  /** How long a catalogue is believed. */
  readonly ttlMs?: number;
}

const DEFAULT_TTL_MS = 30_000;
/** Unknown names and change notices cause at most one refresh in this time. */
const MIN_REFRESH_MS = 1_000;

/** Makes the catalogue of all configured upstreams; reads nothing until it is asked. */
export function createCatalogue(options: CatalogueOptions): Catalogue {
  const shelves = new Map<string, Shelf>();
  for (const [name, upstream] of options.upstreams) {
    shelves.set(
      name,
      new Shelf(() => readToolPages(upstream, options), options.nowMs, options.ttlMs ?? DEFAULT_TTL_MS),
    );
  }
  return {
    definition: (upstream, name) => shelves.get(upstream)?.find(name),
    tools: async (upstream) => [...(await shelves.get(upstream)?.fresh())?.values() ?? []],
    invalidate: (upstream) => shelves.get(upstream)?.invalidate(),
  };
}

type Tools = ReadonlyMap<string, ToolDefinition>;

/** One upstream's tools: at most one reading at a time. */
class Shelf {
  readonly #read: () => Promise<readonly ToolDefinition[]>;
  readonly #nowMs: () => number;
  readonly #ttlMs: number;
  #tools: Tools | undefined;
  #readAtMs = 0;
  #isStale = false;
  #reading: Promise<Tools> | undefined;

  constructor(read: () => Promise<readonly ToolDefinition[]>, nowMs: () => number, ttlMs: number) {
    this.#read = read;
    this.#nowMs = nowMs;
    this.#ttlMs = ttlMs;
  }

  find(name: string): ToolDefinition | undefined | Promise<ToolDefinition | undefined> {
    const tools = this.#usable();
    return tools?.get(name) ?? this.#findLate(name);
  }

  async fresh(): Promise<Tools> {
    return this.#usable() ?? await this.#refresh();
  }

  async #findLate(name: string): Promise<ToolDefinition | undefined> {
    const known = (await this.fresh()).get(name);
    if (known !== undefined || this.#ageMs() < MIN_REFRESH_MS) return known;
    return (await this.#refresh()).get(name);
  }

  #usable(): Tools | undefined {
    const age = this.#ageMs();
    return age < this.#ttlMs && !(this.#isStale && age >= MIN_REFRESH_MS) ? this.#tools : undefined;
  }

  invalidate(): void {
    this.#isStale = true;
  }

  #ageMs(): number {
    return this.#nowMs() - this.#readAtMs;
  }

  #refresh(): Promise<Tools> {
    this.#reading ??= this.#load().finally(() => this.#reading = undefined);
    return this.#reading;
  }

  async #load(): Promise<Tools> {
    this.#isStale = false;
    const startedMs = this.#nowMs();
    const tools = new Map<string, ToolDefinition>();
    for (const tool of await this.#read()) {
      // Two tools of one name: nobody can say which one a call would reach.
      if (tools.has(tool.name)) {
        throw new GatewayError("upstream_answer_unusable", `Two tools are named "${tool.name}"`);
      }
      tools.set(tool.name, deepFreeze(tool));
    }
    this.#tools = tools;
    this.#readAtMs = startedMs;
    return tools;
  }
}
