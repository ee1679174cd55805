import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";

type Callback = (error?: Error | null) => void;

/** One logical connection to the embedded database, in the shape that postgres.js expects of a socket. */
export class EmbeddedSocket extends Duplex {
  readonly #onWrite: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #onClose: () => void;

  constructor(onWrite: (bytes: Uint8Array<ArrayBuffer>) => void, onClose: () => void) {
    super();
    this.#onWrite = onWrite;
    this.#onClose = onClose;
  }

  /** postgres.js says goodbye only to a socket that is open. */
  get readyState(): "open" | "closed" {
    return this.destroyed ? "closed" : "open";
  }

  receive(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.destroyed) this.push(Buffer.from(bytes.buffer));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    this.#onWrite(new Uint8Array(chunk));
    callback();
  }

  override _final(callback: Callback): void {
    callback();
    this.destroy();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#onClose();
    callback(error);
  }
}
