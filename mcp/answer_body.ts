/** The body of an answer: written as fast as it comes, read as slowly as its client likes. */
import { JSON_HEADERS, jsonText } from "./refusals.ts";
import type { UnreadAnswer, UnreadRoom } from "./unread_answers.ts";

/** Bytes that the stream itself holds, and characters of one piece: an answer that fits is counted nowhere. */
const PIECE = 64 * 1024;
/** What a piece costs besides its bytes: many small ones must not be free. */
const PIECE_COST = 256;

/** A stream to write text into. What its client does not take waits here, piece by piece, and counts in the room. */
export class AnswerBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #encoder = new TextEncoder();
  readonly #onGone: () => void;
  readonly #room: UnreadRoom | undefined;
  #unread: UnreadAnswer | undefined;
  /** Absent when the last byte was handed over, or nobody is there to take it. */
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #waitingBytes = 0;
  #isClosed = false;

  /** `onGone` is called when the client goes away before the end. Without a room nothing is counted. */
  constructor(onGone: () => void, room?: UnreadRoom) {
    this.#onGone = onGone;
    this.#room = room;
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pass(),
      cancel: () => {
        this.#forget();
        onGone();
      },
    }, { highWaterMark: PIECE, size: (chunk) => chunk.byteLength });
  }

  /** Bytes that the client has not taken; 0 when it has gone. */
  get backlog(): number {
    return this.#controller === undefined ? 0 : PIECE - this.#free + this.#waitingBytes;
  }

  /** Whether more waits than the stream itself holds. */
  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  write(text: string): void {
    if (this.#controller === undefined || this.#isClosed) return;
    if (text.length <= PIECE && this.#waiting.length === 0 && this.#free > 0) {
      return this.#controller.enqueue(this.#encoder.encode(text));
    }
    for (const piece of piecesOf(text)) {
      const bytes = this.#encoder.encode(piece);
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.byteLength + PIECE_COST;
    }
    this.#pass();
  }

  /** Nothing more will be written; what waits is still handed over. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pass();
  }

  /** Ends the stream with an error; what nobody has read yet is lost. */
  fail(error: unknown): void {
    this.#controller?.error(error);
    this.#isClosed = true;
    this.#forget();
  }

  /** How many bytes the stream would still take, less than 0 when it has taken more. */
  get #free(): number {
    return this.#controller?.desiredSize ?? 0;
  }

  /** Hands over what the stream takes. */
  #pass(): void {
    if (this.#waiting.length > 0) this.#moveOn();
    if (this.#waiting.length > 0 || !this.#isClosed) return;
    this.#controller?.close();
    this.#controller = undefined;
  }

  #moveOn(): void {
    while (this.#free > 0) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#waitingBytes -= next.byteLength + PIECE_COST;
      this.#controller?.enqueue(next);
    }
    if (this.#waitingBytes > 0) this.#unread ??= this.#room?.holdUnread(() => this.#drop());
    this.#unread?.hold(this.#waitingBytes);
  }

  /** An end and no error, which the runtime would print: whoever still reads sees that the answer is cut. */
  #drop(): void {
    const controller = this.#controller;
    this.#isClosed = true;
    this.#forget();
    controller?.close();
    this.#onGone();
  }

  #forget(): void {
    this.#controller = undefined;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#unread?.hold(0);
  }
}

/** A JSON answer of an upstream. A long one is handed over piece by piece, so that it is known who does not read. */
export function answerJson(text: string, room: UnreadRoom, status = 200): Response {
  if (text.length <= PIECE) return jsonText(text, status);
  const body = new AnswerBody(() => {}, room);
  body.write(text);
  body.close();
  return new Response(body.stream, { status, headers: JSON_HEADERS });
}

/** Pieces that no surrogate pair is cut by: each is encoded alone. */
function* piecesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length;) {
    const end = from + PIECE;
    const isPair = /[\ud800-\udbff]/.test(text.charAt(end - 1)) && /[\udc00-\udfff]/.test(text.charAt(end));
    const to = isPair ? end - 1 : end;
    yield text.slice(from, to);
    from = to;
  }
}
