/** The streams that stay open for clients: how they end when their token no longer counts, and what the gateway says there. */

/** What ends a stream. */
export interface OpenStream {
  abort(): void;
}

/** What the gateway may do with an open stream. */
export interface StreamControl {
  readonly upstream: string;
  /** Whether the caller would still get the stream. */
  mayStay(): Promise<boolean>;
  /** Says that the tools which the caller may list have changed; absent where nobody wants to know. */
  announceTools?(): void;
}

/** How many streams are asked before others get their turn. */
const SLICE = 16;

/** The open streams of one replica. */
export class OpenStreams {
  readonly #streams = new Map<OpenStream, StreamControl>();
  #checking: Promise<void> | undefined;
  #again = false;

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

  /** Tells everybody who listens to an upstream that its tools are others now. */
  announceTools(upstream: string): void {
    for (const control of this.#streams.values()) {
      if (control.upstream === upstream) control.announceTools?.();
    }
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

  async #checkAll(): Promise<void> {
    let asked = 0;
    for (const [stream, control] of [...this.#streams]) {
      if (!this.#streams.has(stream)) continue;
      // Who cannot be asked must not stay.
      if (!await control.mayStay().catch(() => false)) stream.abort();
      if (++asked % SLICE === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
}
