/**
 * Lines of text that only the holder of a key can have written, in this order: every line begins with
 * `mac(n) = HMAC-SHA256(key, mac(n-1) ‖ text(n))` in lower-case hex (RFC 2104), where `mac(0)` is empty. What is not
 * noticed is an end that was cut off between two lines.
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";

const MAC_HEX_LENGTH = 64;
const NEWLINE = 0x0a;

/** Seals lines one after the other; the reader of them does the same and compares. */
export class LineSeal {
  readonly #key: Uint8Array;
  #last: Uint8Array = new Uint8Array();

  constructor(key: Uint8Array) {
    if (key.length < 32) throw new RangeError(`Expected a key of at least 32 bytes, got ${key.length}`);
    this.#key = key;
  }

  /** The next line, with its end. */
  seal(text: string): string {
    if (text.includes("\n")) throw new RangeError("A sealed text is one line");
    return `${this.#next(text).toString("hex")} ${text}\n`;
  }

  /** The text of the next line, given without its end; `undefined` when it is not what was sealed. */
  open(line: string): string | undefined {
    const text = line.slice(MAC_HEX_LENGTH + 1);
    const mac = Buffer.from(line.slice(0, MAC_HEX_LENGTH), "hex");
    const expected = this.#next(text);
    if (line[MAC_HEX_LENGTH] !== " " || mac.length !== expected.length) return undefined;
    return timingSafeEqual(mac, expected) ? text : undefined;
  }

  #next(text: string): Buffer {
    const mac = createHmac("sha256", this.#key).update(this.#last).update(text, "utf8").digest();
    this.#last = mac;
    return mac;
  }
}

/** A text without its seal, for who has to read the first line to know the key. */
export function unverifiedText(line: string): string {
  return line.slice(MAC_HEX_LENGTH + 1);
}

/** One line as it stands in a file; `isWhole` is false for what stands after the last line end. */
export interface ReadLine {
  readonly text: string;
  readonly isWhole: boolean;
}

/** Splits bytes into lines. One that is longer than `maxBytes` comes in pieces, none of which opens. */
export async function* splitLines(
  bytes: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<ReadLine> {
  let rest = Buffer.alloc(0);
  for await (const chunk of bytes) {
    rest = Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, from)) {
      yield { text: rest.toString("utf8", from, end), isWhole: true };
      from = end + 1;
    }
    rest = rest.subarray(from);
    if (rest.length > maxBytes) {
      yield { text: rest.toString("utf8"), isWhole: true };
      rest = Buffer.alloc(0);
    }
  }
  if (rest.length > 0) yield { text: rest.toString("utf8"), isWhole: false };
}
