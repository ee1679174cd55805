/** Server-sent events: cutting a stream of text into events, and writing events to a client. */

/** One event. `lines` are its lines without line ends; the empty line after them is not among them. */
export interface StreamEvent {
  readonly lines: readonly string[];
  /** The joined `data` lines, `undefined` for an event without any (a comment, a bare id, a retry time). */
  readonly data: string | undefined;
  readonly hasId: boolean;
}

/** An event or line that is longer than the limit. */
export class EventTooLong extends Error {
  override readonly name = "EventTooLong";
}

/** Cuts text into events; the result does not depend on how the text is cut into chunks. */
export class EventSplitter {
  readonly #maxLength: number;
  #lines: string[] = [];
  #partial: string[] = [];
  #length = 0;
  #skipsLineFeed = false;

  /** `maxLength`: most characters of one event. */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** The events that this chunk completes; throws `EventTooLong`. What never completes is no event. */
  push(chunk: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    let from = 0;
    if (this.#skipsLineFeed && chunk !== "") {
      this.#skipsLineFeed = false;
      if (chunk[0] === "\n") from = 1;
    }
    return this.#cut(chunk, from, events);
  }

  #cut(chunk: string, start: number, events: StreamEvent[]): StreamEvent[] {
    const lineEnd = /\r\n|\r|\n/g;
    let from = start;
    lineEnd.lastIndex = from;
    for (let match = lineEnd.exec(chunk); match !== null; match = lineEnd.exec(chunk)) {
      this.#take(chunk.slice(from, match.index));
      from = lineEnd.lastIndex;
      // A carriage return that ends the chunk may be the first half of a line end.
      if (match[0] === "\r" && from === chunk.length) this.#skipsLineFeed = true;
      const event = this.#endLine();
      if (event !== undefined) events.push(event);
    }
    if (from < chunk.length) this.#take(chunk.slice(from));
    return events;
  }

  #take(part: string): void {
    this.#length += part.length;
    if (this.#length > this.#maxLength) throw new EventTooLong(`An event is longer than ${this.#maxLength}`);
    this.#partial.push(part);
  }

  #endLine(): StreamEvent | undefined {
    const line = this.#partial.join("");
    this.#partial = [];
    if (line !== "") {
      this.#lines.push(line);
      // Many short lines must not be free: each counts its line end.
      this.#length += 1;
      return undefined;
    }
    const lines = this.#lines;
    this.#lines = [];
    this.#length = 0;
    return lines.length === 0 ? undefined : readEvent(lines);
  }
}

/** Fields of an event; a line that begins with a colon, a comment, has the empty field. */
const FIELDS: ReadonlySet<string> = new Set(["data", "event", "id", "retry", ""]);

/**
 * The text of an event, of lines that every reader understands alike. Others must not pass: what follows a byte order
 * mark is an unknown field here, and a `data` line for a client to which it is the first line of its stream.
 */
export function eventText(event: StreamEvent): string {
  return event.lines.filter((line) => FIELDS.has(fieldOf(line))).join("\n") + "\n\n";
}

/** Whether an event says nothing: comments are not passed on, because each would cost more here than on the wire. */
export function isComment(event: StreamEvent): boolean {
  return event.lines.every((line) => line.startsWith(":"));
}

/** The text of an event with other data; id, type and retry time stay. */
export function eventTextWithData(event: StreamEvent, data: string): string {
  const others = event.lines.filter((line) => fieldOf(line) !== "data" && FIELDS.has(fieldOf(line)));
  return [...others, ...dataLines(data)].join("\n") + "\n\n";
}

/** The text of an event that is nothing but its data, however many lines that has. */
export function dataEvent(data: string): string {
  return dataLines(data).join("\n") + "\n\n";
}

function dataLines(data: string): readonly string[] {
  return data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`);
}

function readEvent(lines: readonly string[]): StreamEvent {
  const data = lines.filter((line) => fieldOf(line) === "data")
    .map((line) => line.slice(5).replace(/^ /, ""));
  return {
    lines,
    data: data.length === 0 ? undefined : data.join("\n"),
    hasId: lines.some((line) => fieldOf(line) === "id"),
  };
}

function fieldOf(line: string): string {
  const colon = line.indexOf(":");
  return colon === -1 ? line : line.slice(0, colon);
}

/** Most bytes that may wait for a client that does not read before another event of an endless stream is written. */
export const MAX_BACKLOG_BYTES = 1024 * 1024;

/** How long a stream may be silent before a comment is sent. */
const KEEP_ALIVE_MS = 15_000;

/**
 * The client's side of a stream. Only whole events are written, so a comment can never fall inside one. Writing never
 * waits for a slow client: what is kept for it is bounded by the limit on the upstream's answer.
 */
export class EventWriter {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #encoder = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `onGone` is called when the client goes away before the end. */
  constructor(onGone: () => void, keepAliveMs: number = KEEP_ALIVE_MS) {
    this.body = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      cancel: () => {
        this.#forget();
        onGone();
      },
    }, { highWaterMark: 1, size: (chunk) => chunk.byteLength });
    this.#restart(keepAliveMs);
  }

  /** How many bytes wait for the client; grows without bound on a stream that never ends. */
  get backlog(): number {
    return this.#controller === undefined ? 0 : 1 - (this.#controller.desiredSize ?? 1);
  }

  write(text: string): void {
    this.#controller?.enqueue(this.#encoder.encode(text));
  }

  close(): void {
    this.#controller?.close();
    this.#forget();
  }

  /** Ends the stream with an error; what nobody has read yet is lost. */
  fail(error: unknown): void {
    this.#controller?.error(error);
    this.#forget();
  }

  #restart(ms: number): void {
    this.#timer = setInterval(() => this.write(":\n\n"), ms);
  }

  #forget(): void {
    clearInterval(this.#timer);
    this.#controller = undefined;
  }
}
