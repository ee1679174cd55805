/** Cuts the bytes that a process writes into lines, holding no more of a line than the limit. */
import { concatBytes } from "../../core/bytes.ts";

/** What came: a line, or what is known of a line that was too long. */
export type SplitLine =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "not_utf8" }
  | { readonly kind: "too_long"; readonly head: string; readonly tail: string };

/** Characters of a line that was too long by which its id may be found. */
const KEPT = 256;
/** A line that is this many times too long will hardly ever end. */
const ENDLESS_FACTOR = 8;
const LINE_FEED = 0x0a;

/** The line never ends. */
export class EndlessLine extends Error {
  override readonly name = "EndlessLine";
}

/** Cuts bytes into lines; the result does not depend on how the bytes are cut into chunks. */
export class LineSplitter {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;
  #head = "";
  #tail: Uint8Array = new Uint8Array();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that this chunk completes, without empty ones; throws `EndlessLine`. */
  push(chunk: Uint8Array): SplitLine[] {
    const lines: SplitLine[] = [];
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      this.#take(chunk.subarray(from, end));
      const line = this.#endLine();
      if (line !== undefined) lines.push(line);
      from = end + 1;
    }
    this.#take(chunk.subarray(from));
    return lines;
  }

  #take(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length <= this.#maxBytes) {
      this.#parts.push(part);
      return;
    }
    if (this.#length > this.#maxBytes * ENDLESS_FACTOR) {
      this.#forget();
      throw new EndlessLine(`A line is longer than ${this.#maxBytes * ENDLESS_FACTOR} bytes`);
    }
    const known = this.#parts.length > 0
      ? concatBytes([...this.#parts, part])
      : concatBytes([this.#tail, part]);
    if (this.#head === "") this.#head = lenient(known.subarray(0, KEPT));
    this.#parts = [];
    this.#tail = known.slice(-KEPT);
  }

  #endLine(): SplitLine | undefined {
    const [parts, length, head, tail] = [this.#parts, this.#length, this.#head, this.#tail];
    this.#forget();
    if (length > this.#maxBytes) return { kind: "too_long", head, tail: lenient(tail) };
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      const text = decoder.decode(parts.length === 1 ? parts[0] : concatBytes(parts)).trim();
      return text === "" ? undefined : { kind: "line", text };
    } catch {
      return { kind: "not_utf8" };
    }
  }

  #forget(): void {
    this.#parts = [];
    this.#length = 0;
    this.#head = "";
    this.#tail = new Uint8Array();
  }
}

/**
 * The id of a response that was too long to keep: servers write it first or last. A nested `id` of the same look can
 * only name another request of the same upstream.
 */
export function idOfLongLine(
  { head, tail }: { readonly head: string; readonly tail: string },
): number | undefined {
  const first = /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,/.exec(head)?.[1];
  const last = /,\s*"id"\s*:\s*(\d{1,15})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/.exec(tail)?.[1];
  const digits = first ?? last;
  return digits === undefined ? undefined : Number(digits);
}

function lenient(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
