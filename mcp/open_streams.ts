/** The streams that stay open for clients, and what the gateway says there. */
import { ALL_UPSTREAMS, type ToolDefinition } from "../core/call.ts";
import { SLICE_MS } from "../core/slices.ts";
import type { Endable, Rechecks } from "./rechecks.ts";

/** What the gateway may do with an open stream. */
export interface StreamControl {
  readonly upstream: string;
  /** `Rechecks.count` before the caller was admitted. */
  readonly rechecksBefore: number;
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

/** The open streams of one replica. */
export class OpenStreams {
  readonly #streams = new Map<Endable, StreamControl>();
  readonly #rechecks: Rechecks;
  /** By upstream what has changed and is not announced yet; `undefined` stands for everything. */
  readonly #changed = new Map<string | undefined, Set<ToolDefinition>>();
  #announcing: Promise<void> | undefined;

  /** Streams end in `rechecks` when their token no longer counts. */
  constructor(rechecks: Rechecks) {
    this.#rechecks = rechecks;
  }

  get size(): number {
    return this.#streams.size;
  }

  add(stream: Endable, control: StreamControl): void {
    this.#streams.set(stream, control);
    this.#rechecks.add(stream, () => control.mayStay(), control.rechecksBefore);
  }

  delete(stream: Endable): void {
    this.#streams.delete(stream);
    this.#rechecks.delete(stream);
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

  async #tell(stream: Endable, control: StreamControl, changes: Changes): Promise<void> {
    if (control.announceTools === undefined && control.announceNames === undefined) return;
    if (!await concerns(changes, control) || !this.#streams.has(stream)) return;
    control.announceTools?.();
    if (changes.has(undefined)) control.announceNames?.();
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
