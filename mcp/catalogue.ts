/** What the upstreams' tools are, read by the gateway itself in a session of its own and kept for a short time. */
import type { ToolDefinition } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import { CompiledSchemas } from "../core/json_schema/compiled_schemas.ts";
import { mapInSlices } from "../core/slices.ts";
import { type CheckModes, ToolChecks } from "../core/tool_checks.ts";
import { readToolPages } from "./catalogue_session.ts";
import { deepFreeze } from "./tool_call.ts";
import { LIST_PACING, readAnnotations, type ReadTool } from "./tool_list.ts";
import type { PinBook, ToolPins } from "./tool_pins.ts";
import type { ExchangeClock, ResolvedUpstream } from "./upstream_connection.ts";

export interface Catalogue {
  /**
   * The upstream's definition of a tool; at once when the catalogue is fresh. A held one is given too, for the record: its
   * `pin.isHeld` says that the caller must see nothing of it. Rejects with `GatewayError` when it cannot be read.
   */
  definition(
    upstream: string,
    name: string,
  ): ToolDefinition | undefined | Promise<ToolDefinition | undefined>;
  /** All tools of an upstream that are not held; throws `GatewayError` when the catalogue cannot be read. */
  tools(upstream: string): Promise<readonly ToolDefinition[]>;
  /**
   * The definitions behind tools that an answer shows to a client: `undefined` for one that is held, and for one that the
   * gateway itself does not see like that, even after it has looked again. Same order and length.
   */
  shown(upstream: string, tools: readonly ReadTool[]): Promise<readonly (ToolDefinition | undefined)[]>;
  /** The upstream says that its tools have changed. */
  invalidate(upstream: string): void;
  /** The same where nobody else tells the clients: reads soon, so that they hear of what really changed. */
  reread(upstream: string): void;
  /**
   * Calls back with an upstream whose usable tools have changed, by a reading or by an operator: with each that is, and
   * each that was, another one. None of them is held.
   */
  onChange(listener: (upstream: string, changed: readonly ToolDefinition[]) => void): void;
  /** Grows with every such change of any upstream. */
  version(): number;
}

export interface CatalogueOptions extends ExchangeClock {
  readonly upstreams: ReadonlyMap<string, ResolvedUpstream>;
  /** Absent: nothing is pinned, and every definition is taken as it comes. */
  readonly pins?: ToolPins | undefined;
  /** How long a catalogue is believed. */
  readonly ttlMs?: number;
}

const DEFAULT_TTL_MS = 30_000;
/** Unknown names, surprising lists and change notices cause at most one refresh in this time. */
const MIN_REFRESH_MS = 1_000;

/** Makes the catalogue of all configured upstreams; reads nothing until it is asked. */
export function createCatalogue(options: CatalogueOptions): Catalogue {
  const shelves = new Map<string, Shelf>();
  const listeners: ((upstream: string, changed: readonly ToolDefinition[]) => void)[] = [];
  let version = 0;
  for (const [name, upstream] of options.upstreams) {
    const onChange = (changed: readonly ToolDefinition[]) => {
      version++;
      for (const listener of listeners) listener(name, changed);
    };
    const { nowMs, pins, ttlMs = DEFAULT_TTL_MS } = options;
    const read = () => readToolPages(upstream, options);
    const modes = { arguments: upstream.argument_validation, results: upstream.result_validation };
    shelves.set(name, new Shelf({ name, read, nowMs, pins, ttlMs, onChange, modes }));
  }
  options.pins?.onChange((upstream) => shelves.get(upstream)?.rejudge());
  return {
    definition: (upstream, name) => shelves.get(upstream)?.find(name),
    tools: async (upstream) =>
      [...(await shelves.get(upstream)?.fresh())?.values() ?? []].filter((tool) => !isHeld(tool)),
    shown: async (upstream, tools) => await shelves.get(upstream)?.shown(tools) ?? tools.map(() => undefined),
    invalidate: (upstream) => shelves.get(upstream)?.invalidate(),
    reread: (upstream) => shelves.get(upstream)?.reread(),
    onChange: (listener) => void listeners.push(listener),
    version: () => version,
  };
}

type Tools = ReadonlyMap<string, ToolDefinition>;

interface ShelfOptions {
  readonly name: string;
  readonly read: () => Promise<readonly ReadTool[]>;
  readonly nowMs: () => number;
  readonly ttlMs: number;
  readonly pins: ToolPins | undefined;
  readonly onChange: (changed: readonly ToolDefinition[]) => void;
  readonly modes: CheckModes;
}

/** What a reading showed; the texts of the definitions are not kept. */
interface ShelvedTool {
  readonly definition: ToolDefinition;
  readonly digest: string;
}

/** One upstream's tools: at most one reading at a time. */
class Shelf {
  readonly #options: ShelfOptions;
  /** As the upstream shows them. */
  #read: ReadonlyMap<string, ShelvedTool> | undefined;
  /** As calls see them: with pins. */
  #tools: Tools | undefined;
  #readAtMs = 0;
  #isStale = false;
  /** Tools that a client was shown otherwise than the gateway read them: not believed until they are read again. */
  readonly #suspects = new Set<string>();
  readonly #compiled = new CompiledSchemas();
  #reading: Promise<Tools> | undefined;
  #rereading: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  find(name: string): ToolDefinition | undefined | Promise<ToolDefinition | undefined> {
    const tool = this.#usable()?.get(name);
    // A held tool takes the way of an unknown one, so that the time of the answer tells nothing either.
    const isBelieved = tool !== undefined && !isHeld(tool) && !this.#suspects.has(name);
    return isBelieved ? tool : this.#findLate(name);
  }

  async fresh(): Promise<Tools> {
    return this.#usable() ?? await this.#refresh();
  }

  async shown(tools: readonly ReadTool[]): Promise<readonly (ToolDefinition | undefined)[]> {
    const first = this.#match(await this.fresh(), tools);
    if (first.every((tool) => tool !== undefined)) return first.map(unlessHeld);
    if (this.#ageMs() < MIN_REFRESH_MS) {
      this.invalidate();
      this.#suspect(tools, first);
      return first.map(unlessHeld);
    }
    return this.#match(await this.#refresh(), tools).map(unlessHeld);
  }

  invalidate(): void {
    this.#isStale = true;
  }

  reread(): void {
    this.invalidate();
    this.#rereading ??= setTimeout(() => {
      this.#rereading = undefined;
      this.fresh().catch(() => {}); // whoever asks next is told
    }, Math.max(0, MIN_REFRESH_MS - this.#ageMs()));
  }

  /** The pins are other ones now. */
  rejudge(): void {
    const book = this.#options.pins?.book(this.#options.name);
    if (this.#read !== undefined && book !== undefined) this.#publish(judged(this.#read, book));
  }

  #suspect(shown: readonly ReadTool[], found: readonly (ToolDefinition | undefined)[]): void {
    for (const [at, { seen }] of shown.entries()) {
      if (found[at] === undefined && this.#read?.has(seen.name) === true) this.#suspects.add(seen.name);
    }
  }

  async #findLate(name: string): Promise<ToolDefinition | undefined> {
    const known = (await this.fresh()).get(name);
    const isOpen = known !== undefined && !isHeld(known) && !this.#suspects.has(name);
    if (isOpen) return known;
    if (this.#suspects.size > 0) {
      // Names that nobody knows wait as long, so that the time tells nothing.
      await new Promise((resolve) => setTimeout(resolve, MIN_REFRESH_MS - this.#ageMs()));
      // Somebody else may have read it meanwhile.
      return (this.#suspects.size > 0 ? await this.#refresh() : await this.fresh()).get(name);
    }
    if (this.#ageMs() < MIN_REFRESH_MS) return known;
    return (await this.#refresh()).get(name);
  }

  #usable(): Tools | undefined {
    const age = this.#ageMs();
    return age < this.#options.ttlMs && !(this.#isStale && age >= MIN_REFRESH_MS) ? this.#tools : undefined;
  }

  #ageMs(): number {
    return this.#options.nowMs() - this.#readAtMs;
  }

  /** The definitions of those that the gateway sees just as they are shown. */
  #match(tools: Tools, shown: readonly ReadTool[]): readonly (ToolDefinition | undefined)[] {
    return shown.map(({ seen }) => {
      const isSame = this.#read?.get(seen.name)?.digest === seen.digest;
      return isSame ? tools.get(seen.name) : undefined;
    });
  }

  #refresh(): Promise<Tools> {
    this.#reading ??= this.#load().finally(() => this.#reading = undefined);
    return this.#reading;
  }

  async #load(): Promise<Tools> {
    const { nowMs, pins, name } = this.#options;
    this.#isStale = false;
    const suspects = [...this.#suspects];
    const startedMs = nowMs();
    const read = new Map<string, ShelvedTool>();
    const tools = await this.#options.read();
    const shelve = ({ definition, seen: { digest } }: ReadTool) => {
      // Two tools of one name: nobody can say which one a call would reach.
      if (read.has(definition.name)) {
        throw new GatewayError("upstream_answer_unusable", `Two tools are named "${definition.name}"`);
      }
      const checked = { ...definition, checks: this.#checksOf(definition, digest) };
      read.set(definition.name, { definition: deepFreeze(checked), digest });
    };
    await mapInSlices(tools, shelve, LIST_PACING);
    const book = await pins?.observe(name, tools.map(({ seen }) => seen));
    this.#read = read;
    this.#readAtMs = startedMs;
    for (const suspect of suspects) this.#suspects.delete(suspect);
    return this.#publish(judged(read, pins?.book(name) ?? book));
  }

  /** Of the reading before, when it showed the same: a schema is compiled once. */
  #checksOf({ name, inputSchema, outputSchema }: ToolDefinition, digest: string): ToolChecks {
    const before = this.#read?.get(name);
    if (before?.digest === digest && before.definition.checks !== undefined) return before.definition.checks;
    return new ToolChecks(inputSchema, outputSchema, this.#options.modes, this.#compiled);
  }

  #publish(tools: Tools): Tools {
    const before = this.#tools;
    this.#tools = tools;
    if (before === undefined) return tools;
    const changed = changedTools(before, tools);
    if (changed.length > 0) this.#options.onChange(changed);
    return tools;
  }
}

function judged(read: ReadonlyMap<string, ShelvedTool>, book: PinBook | undefined): Tools {
  const tools = new Map<string, ToolDefinition>();
  for (const [name, { definition, digest }] of read) {
    if (book === undefined) tools.set(name, definition);
    else tools.set(name, withPin(definition, book, digest));
  }
  return tools;
}

/** What the upstream claims about a tool counts once it is pinned: until then, nothing or what was pinned before does. */
function withPin(definition: ToolDefinition, book: PinBook, digest: string): ToolDefinition {
  const pin = Object.freeze(book.pinOf(definition.name, digest));
  if (pin.state === "pinned") return Object.freeze({ ...definition, pin });
  const annotations = Object.freeze(readAnnotations(book.pinnedAnnotations(definition.name) ?? {}));
  return Object.freeze({ ...definition, annotations, pin });
}

/** What callers may have seen, and what they may see from now on; the old ones first. */
function changedTools(before: Tools, after: Tools): readonly ToolDefinition[] {
  const usable = (tool: ToolDefinition | undefined): tool is ToolDefinition =>
    tool !== undefined && !isHeld(tool);
  const isOther = (one: ToolDefinition, other: ToolDefinition | undefined) =>
    usable(one) && !(usable(other) && isSameToCallers(one, other));
  return [
    ...[...before.values()].filter((tool) => isOther(tool, after.get(tool.name))),
    ...[...after.values()].filter((tool) => isOther(tool, before.get(tool.name))),
  ];
}

function isSameToCallers(one: ToolDefinition, other: ToolDefinition): boolean {
  if (one === other) return true;
  if (one.pin?.seen !== other.pin?.seen || one.pin?.state !== other.pin?.state) return false;
  return one.pin !== undefined || JSON.stringify(one) === JSON.stringify(other);
}

function isHeld({ pin }: ToolDefinition): boolean {
  return pin?.isHeld === true;
}

function unlessHeld(tool: ToolDefinition | undefined): ToolDefinition | undefined {
  return tool === undefined || isHeld(tool) ? undefined : tool;
}
