/**
 * The pins of the upstreams' tools as this replica last read them. The database is the truth: what a reading shows is
 * recorded there before it is used, and what is not recorded is held.
 */
import { GatewayError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { mapInSlices } from "../core/slices.ts";
import { isSuspicious } from "../core/tool_flags.ts";
import {
  type PinModes,
  pinOf,
  type PinPlan,
  type PinRow,
  planPins,
  type SeenTool,
} from "../core/tool_pin.ts";
import type { ToolPin } from "../core/tool_pin.ts";
import { LIST_PACING } from "./tool_list.ts";

/** A pin with what its definition says, as far as a decision needs it. */
export interface KeptPin extends PinRow {
  /** The pinned definition's text; needed only where the upstream shows another one. */
  readonly definition?: string | undefined;
}

/** All pins of one upstream. */
export interface UpstreamPins {
  /** Grows with every change; 0 when nothing of the upstream was ever pinned. */
  readonly version: number;
  readonly pins: readonly KeptPin[];
}

/** What the pins need from the store; `commands/pin_parts.ts` joins it with the audit chain. */
export interface PinStore {
  read(upstream: string): Promise<UpstreamPins>;
  /** The version of every upstream that has pins. */
  versions(): Promise<ReadonlyMap<string, number>>;
  /**
   * Under a lock: reads the pins, asks for the plan, writes it with one audit event, in one transaction. `plan` answers
   * `undefined` when somebody else has written it meanwhile.
   */
  record(
    upstream: string,
    tools: readonly SeenTool[],
    plan: (now: UpstreamPins) => PinPlan | undefined,
  ): Promise<void>;
}

/** The pins of one upstream, unchanging: a new book is made whenever anything changed. */
export interface PinBook {
  pinOf(name: string, seen: string): ToolPin;
  /** The pinned annotations where the upstream shows another definition; none when it was never pinned. */
  pinnedAnnotations(name: string): JsonObject | undefined;
}

export interface ToolPins {
  /** The newest book that this replica has; `undefined` until the first reading of the upstream. */
  book(upstream: string): PinBook | undefined;
  /** Records what a reading shows, then returns the book with it. Throws `GatewayError` when the pins cannot be read. */
  observe(upstream: string, tools: readonly SeenTool[]): Promise<PinBook>;
  /** Reads again what has changed elsewhere. */
  refresh(): Promise<void>;
  /** Called with an upstream whose book is a new one. */
  onChange(listener: (upstream: string) => void): void;
}

export interface ToolPinsOptions {
  readonly store: PinStore;
  readonly modesOf: (upstream: string) => PinModes;
  /** A clock that never steps, milliseconds. */
  readonly steadyMs: () => number;
  /** A plan could not be recorded: what it was about stays held. */
  readonly onError: (upstream: string, error: unknown) => void;
}

/** Changes of one upstream's tools that are recorded at once; further ones one by one, each after this time. */
const MAX_CHANGES_AT_ONCE = 10;
const CHANGE_INTERVAL_MS = 60_000;

/** Makes the pins of this replica; nothing is read until an upstream was. */
export function createToolPins(options: ToolPinsOptions): ToolPins {
  return new Pins(options);
}

class Pins implements ToolPins {
  readonly #options: ToolPinsOptions;
  readonly #books = new Map<string, Book>();
  readonly #listeners: ((upstream: string) => void)[] = [];
  /** By upstream until when the changes that were recorded count, milliseconds. */
  readonly #recent = new Map<string, number>();

  constructor(options: ToolPinsOptions) {
    this.#options = options;
  }

  book(upstream: string): PinBook | undefined {
    return this.#books.get(upstream);
  }

  onChange(listener: (upstream: string) => void): void {
    this.#listeners.push(listener);
  }

  async observe(upstream: string, tools: readonly SeenTool[]): Promise<PinBook> {
    const modes = this.#options.modesOf(upstream);
    const book = this.#books.get(upstream) ?? await this.#read(upstream);
    const isFirst = (version: number) => version === 0 && tools.length > 0;
    const suspicious = isFirst(book.version) ? await suspiciousOf(tools) : new Set<SeenTool>();
    const plan = (now: { readonly version: number; readonly rows: ReadonlyMap<string, PinRow> }) =>
      planPins(now.rows, isFirst(now.version), tools, modes, (tool) => suspicious.has(tool));
    const planned = plan(book);
    if (planned === undefined) return book;
    // An upstream that never shows the same twice must not fill the record, of which nothing is ever removed.
    if (!planned.isFirst && !this.#mayRecord(upstream)) return book;
    try {
      await this.#options.store.record(upstream, tools, (now) => plan({ ...now, rows: rowsOf(now) }));
    } catch (error) {
      // On first use there is nothing to fall back to; later, what is not recorded is held.
      if (planned.isFirst) throw error;
      this.#options.onError(upstream, error);
      return book;
    }
    return await this.#read(upstream);
  }

  async refresh(): Promise<void> {
    if (this.#books.size === 0) return;
    const versions = await this.#options.store.versions();
    for (const [upstream, book] of this.#books) {
      if ((versions.get(upstream) ?? 0) > book.version) await this.#read(upstream);
    }
  }

  #mayRecord(upstream: string): boolean {
    const nowMs = this.#options.steadyMs();
    const freeAtMs = Math.max(nowMs, this.#recent.get(upstream) ?? 0) + CHANGE_INTERVAL_MS;
    if (freeAtMs > nowMs + MAX_CHANGES_AT_ONCE * CHANGE_INTERVAL_MS) return false;
    this.#recent.set(upstream, freeAtMs);
    return true;
  }

  /** Reads may overtake each other: an older answer changes nothing. */
  async #read(upstream: string): Promise<Book> {
    const read = await this.#options.store.read(upstream);
    const current = this.#books.get(upstream);
    if (current !== undefined && current.version >= read.version) return current;
    const book = new Book(read, this.#options.modesOf(upstream));
    this.#books.set(upstream, book);
    for (const listener of this.#listeners) listener(upstream);
    return book;
  }
}

class Book implements PinBook {
  readonly version: number;
  readonly rows: ReadonlyMap<string, KeptPin>;
  readonly #modes: PinModes;

  constructor(pins: UpstreamPins, modes: PinModes) {
    this.version = pins.version;
    this.rows = rowsOf(pins);
    this.#modes = modes;
  }

  pinOf(name: string, seen: string): ToolPin {
    return pinOf(this.rows.get(name), seen, this.#modes);
  }

  pinnedAnnotations(name: string): JsonObject | undefined {
    const text = this.rows.get(name)?.definition;
    if (text === undefined) return undefined;
    const { annotations } = parseDefinition(text);
    return isJsonObject(annotations) ? annotations : undefined;
  }
}

function rowsOf({ pins }: UpstreamPins): ReadonlyMap<string, KeptPin> {
  return new Map(pins.map((pin) => [pin.name, pin]));
}

/** Looked for before the plan is made: that happens in one go, and under a lock. */
async function suspiciousOf(tools: readonly SeenTool[]): Promise<ReadonlySet<SeenTool>> {
  const verdicts = await mapInSlices(
    tools,
    ({ definition }) => isSuspicious(parseDefinition(definition)),
    LIST_PACING,
  );
  return new Set(tools.filter((_, index) => verdicts[index] === true));
}

function parseDefinition(text: string): JsonObject {
  const value: JsonValue = JSON.parse(text);
  if (!isJsonObject(value)) throw new GatewayError("internal", "A stored definition is no object");
  return value;
}
