/**
 * Cuts the PostgreSQL wire protocol into messages. Pure; see "Message Formats" in the PostgreSQL manual: a type byte
 * (absent in the first message of a connection), a big-endian length that counts itself, the body.
 */

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const READY_FOR_QUERY = 0x5a; // Z
const NOTIFICATION = 0x41; // A
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/** What a client sent: one startup packet, a request for encryption, a cancellation, or whole messages. */
export type ClientFrame =
  | { readonly kind: "startup"; readonly bytes: Uint8Array }
  | { readonly kind: "encryption" }
  | { readonly kind: "cancel" }
  | { readonly kind: "messages"; readonly bytes: Uint8Array };

/** Collects the bytes of one client and gives them out in whole messages. */
export class ClientFrames {
  #waiting = new Uint8Array(0);
  #started = false;

  push(bytes: Uint8Array): void {
    this.#waiting = this.#waiting.length === 0 ? bytes.slice() : concat([this.#waiting, bytes]);
  }

  /** The next frame, or `undefined` until more bytes have come. Throws `RangeError` for an impossible length. */
  take(): ClientFrame | undefined {
    return this.#started ? this.#takeMessages() : this.#takeFirst();
  }

  #takeFirst(): ClientFrame | undefined {
    if (this.#waiting.length < 8) return undefined;
    const view = viewOf(this.#waiting);
    const length = checkedLength(view.getInt32(0));
    if (this.#waiting.length < length) return undefined;
    const bytes = this.#cut(length);
    const version = view.getInt32(4);
    if (version === SSL_REQUEST || version === GSS_REQUEST) return { kind: "encryption" };
    if (version === CANCEL_REQUEST) return { kind: "cancel" };
    this.#started = true;
    return { kind: "startup", bytes };
  }

  #takeMessages(): ClientFrame | undefined {
    const view = viewOf(this.#waiting);
    let end = 0;
    while (this.#waiting.length - end >= 5) {
      const next = end + 1 + checkedLength(view.getInt32(end + 1));
      if (next > this.#waiting.length) break;
      end = next;
    }
    return end === 0 ? undefined : { kind: "messages", bytes: this.#cut(end) };
  }

  #cut(length: number): Uint8Array<ArrayBuffer> {
    const head = this.#waiting.slice(0, length);
    this.#waiting = this.#waiting.slice(length);
    return head;
  }
}

/** A server's answer, with the notifications taken out: those belong to every connection. */
export interface ServerAnswer {
  readonly reply: Uint8Array<ArrayBuffer>;
  readonly notifications: Uint8Array<ArrayBuffer>;
  /** State in the ReadyForQuery that ends the answer; `undefined` when the server still waits for more messages. */
  readonly ready: "idle" | "transaction" | undefined;
}

/** Reads a whole answer of the server. */
export function readAnswer(bytes: Uint8Array): ServerAnswer {
  const view = viewOf(bytes);
  const reply: Uint8Array[] = [];
  const notifications: Uint8Array[] = [];
  let ready: ServerAnswer["ready"];
  for (let start = 0; start < bytes.length;) {
    const end = start + 1 + checkedLength(view.getInt32(start + 1));
    const type = bytes[start];
    (type === NOTIFICATION ? notifications : reply).push(bytes.subarray(start, end));
    if (type === READY_FOR_QUERY) ready = bytes[start + 5] === 0x49 ? "idle" : "transaction";
    else if (type !== NOTIFICATION) ready = undefined;
    start = end;
  }
  return { reply: concat(reply), notifications: concat(notifications), ready };
}

/** A simple query as a client would send it. */
export function simpleQuery(text: string): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(`${text}\0`);
  const message = new Uint8Array(5 + body.length);
  message[0] = 0x51; // Q
  new DataView(message.buffer).setInt32(1, 4 + body.length);
  message.set(body, 5);
  return message;
}

/** Sync: ends an extended query, whatever state it is in. */
export function sync(): Uint8Array<ArrayBuffer> {
  return new Uint8Array([0x53, 0, 0, 0, 4]);
}

/** Joins byte arrays. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function checkedLength(length: number): number {
  if (length < 4 || length > MAX_MESSAGE_BYTES) {
    throw new RangeError(`Expected a message of 4 to ${MAX_MESSAGE_BYTES} bytes, got ${length}`);
  }
  return length;
}
