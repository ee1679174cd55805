/** The streams that stay open for clients: how they end when their token no longer counts, and what the gateway says there. */
import { ALL_UPSTREAMS, type ToolDefinition } from "../core/call.ts";
import { SLICE_MS } from "../core/slices.ts";

/** What ends a stream. */
export interface OpenStream {
  abort(): void;
}

/** What the gateway may do with an open stream. */
export interface StreamControl {
  readonly upstream: string;
  /** Whether the caller would still get the stream. */
  mayStay(): Promise<boolean>;
  /** Which of these tools the caller may list; same order and length. */
  lists(tools: readonly ToolDefinition[]): Promise<readonly boolean[]>;
  /** Says that the tools which the caller may list have changed; absent where nobody wants to know. */
  announceTools?(): void;
  /** The same for prompts and resources. */
  announceNames?(): void;
}

type Changes = ReadonlyMap<string | undefined, ReadonlySet<ToolDefinition>>;

/** How many streams are asked at once, before others get their turn. */
const SLICE = 128;

/** The open streams of one replica. */
export class OpenStreams {
  readonly #streams = new Map<OpenStream, StreamControl>();
  #checking: Promise<void> | undefined;
  #again = false;
  /** By upstream what has changed and is not announced yet; `undefined` stands for everything. */
  readonly #changed = new Map<string | undefined, Set<ToolDefinition>>();
  #announcing: Promise<void> | undefined;

  get size(): number {
    return this.#streams.size;
  }

  add(stream: OpenStream, control: StreamControl): void {
    this.#streams.set(stream, control);
  }

  delete(stream: OpenStream): void {
    this.#streams.delete(stream);
  }

  closeAll(): void {
    for (const stream of this.#streams.keys()) stream.abort();
  }

  /**
   * Tells everybody who listens to an upstream and may list one of the tools that have changed. Resolves when all know.
   */
  announceTools(upstream: string, changed: readonly ToolDefinition[]): Promise<void> {
    const tools = this.#changed.get(upstream) ?? new Set();
    for (const tool of changed) tools.add(tool);
    this.#changed.set(upstream, tools);
    return this.#announce();
  }

  /** Tells everybody who listens to anything. */
  announceLists(): Promise<void> {
    this.#changed.clear();
    this.#changed.set(undefined, new Set());
    return this.#announce();
  }

  /** Asks for each stream whether it may stay, and ends those that may not. Resolves when all were asked. */
  recheck(): Promise<void> {
    this.#again = this.#checking !== undefined;
    this.#checking ??= this.#checkAll().finally(() => {
      this.#checking = undefined;
      if (this.#again) void this.recheck();
    });
    return this.#checking;
  }

  #announce(): Promise<void> {
    this.#announcing ??= this.#announceAll();
    return this.#announcing;
  }

  /** What changes meanwhile is announced in another round. */
  async #announceAll(): Promise<void> {
    await undefined; // until the promise of this is kept
    try {
      while (this.#changed.size > 0) {
        const changes = new Map(this.#changed);
        this.#changed.clear();
        let sliceEndMs = performance.now() + SLICE_MS;
        for (const [stream, control] of [...this.#streams]) {
          await this.#tell(stream, control, changes);
          if (performance.now() < sliceEndMs) continue;
          await new Promise((resolve) => setTimeout(resolve, 0));
          sliceEndMs = performance.now() + SLICE_MS;
        }
      }
    } finally {
      this.#announcing = undefined;
    }
  }

  async #tell(stream: OpenStream, control: StreamControl, changes: Changes): Promise<void> {
    if (control.announceTools === undefined && control.announceNames === undefined) return;
    if (!await concerns(changes, control) || !this.#streams.has(stream)) return;
    control.announceTools?.();
    if (changes.has(undefined)) control.announceNames?.();
  }

  async #checkAll(): Promise<void> {
    const streams = [...this.#streams];
    for (let from = 0; from < streams.length; from += SLICE) {
      // Together: each refusal waits for its record, and a thousand one after the other would take half a minute.
      await Promise.all(
        streams.slice(from, from + SLICE).map(([stream, control]) => this.#check(stream, control)),
      );
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  async #check(stream: OpenStream, control: StreamControl): Promise<void> {
    if (!this.#streams.has(stream)) return;
    // Who cannot be asked must not stay.
    if (!await control.mayStay().catch(() => false)) stream.abort();
  }
}

/** Whether the caller's own list has changed; who cannot be asked about may have another one. */
async function concerns(changes: Changes, control: StreamControl): Promise<boolean> {
  if (changes.has(undefined)) return true;
  const isForAll = control.upstream === ALL_UPSTREAMS;
  const changed = isForAll ? [...changes.values()].flatMap((of) => [...of]) : changes.get(control.upstream);
  if (changed === undefined) return false;
  try {
    return (await control.lists([...changed])).includes(true);
  } catch {
    return true;
  }
}
