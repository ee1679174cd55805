/** Server-sent events: cutting a stream of text into events, and writing events to a client. */
import { AnswerBody } from "./answer_body.ts";
import type { UnreadRoom } from "./unread_answers.ts";

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
 * The client's side of a stream. Only whole events are written, so a comment can never fall inside one; what is passed on
 * in parts keeps comments away until an event has ended. Writing never waits for a slow client: what is kept for it is
 * bounded by the limit on the upstream's answer, and by the room that all unread answers share.
 */
export class EventWriter {
  readonly #body: AnswerBody;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isInEvent = false;

  /** `onGone` is called when the client goes away before the end. `room` is absent for a reader of this process. */
  constructor(onGone: () => void, { room, keepAliveMs = KEEP_ALIVE_MS }: EventWriterOptions = {}) {
    this.#body = new AnswerBody(() => {
      clearInterval(this.#timer);
      onGone();
    }, room);
    this.#timer = setInterval(() => this.#keepAlive(), keepAliveMs);
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#body.stream;
  }

  /** How many bytes wait for the client; grows without bound on a stream that never ends. */
  get backlog(): number {
    return this.#body.backlog;
  }

  write(text: string): void {
    this.#isInEvent = !text.endsWith("\n\n");
    this.#body.write(text);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#body.close();
  }

  /** Ends the stream with an error; what nobody has read yet is lost. */
  fail(error: unknown): void {
    clearInterval(this.#timer);
    this.#body.fail(error);
  }

  /** Whoever has not read what came needs no sign of life. */
  #keepAlive(): void {
    if (!this.#isInEvent && !this.#body.hasWaiting) this.#body.write(":\n\n");
  }
}

/** What a stream to a client needs besides. */
export interface EventWriterOptions {
  readonly room?: UnreadRoom | undefined;
  readonly keepAliveMs?: number;
}
