/** The answer to one request: JSON when nothing comes before it, a stream of events otherwise. */
import type { JsonObject } from "../../core/json.ts";
import { dataEvent, EventWriter } from "../event_stream.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { RpcError } from "../upstream_link.ts";

/** A response message as text, and the HTTP status that it would have alone. */
export interface AnswerText {
  readonly text: string;
  readonly status: number;
}

const SSE: HeadersInit = { "content-type": "text/event-stream", "cache-control": "no-store" };

/** Collects what is sent before the answer. */
export class AnswerStream {
  readonly #started = Promise.withResolvers<void>();
  readonly #onGone: () => void;
  readonly #maxLength: number;
  #length = 0;
  #writer: EventWriter | undefined;
  #hasEnded = false;

  /** `onGone` is called when nobody reads any more, `maxLength` is the most characters before the answer. */
  constructor(onGone: () => void, maxLength: number) {
    this.#onGone = onGone;
    this.#maxLength = maxLength;
  }

  /** Sends a notification or a request; the first makes the answer a stream. */
  send(message: JsonObject): void {
    if (this.#hasEnded) return;
    this.#writer ??= new EventWriter(this.#onGone);
    this.#started.resolve();
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#length += text.length;
    if (this.#length > this.#maxLength) return this.#endTooLong(this.#writer);
    this.#writer.write(dataEvent(text));
  }

  /** The HTTP answer around what `answering` gives. Rejects with it as long as no stream has begun. */
  async respond(answering: Promise<AnswerText>): Promise<Response> {
    const first = await Promise.race([answering, this.#started.promise]).catch((error) => {
      this.#hasEnded = true;
      throw error;
    });
    if (this.#writer === undefined && first !== undefined) {
      this.#hasEnded = true;
      return jsonAnswer(first);
    }
    const writer = this.#writer as EventWriter;
    answering.then(({ text }) => {
      this.#hasEnded = true;
      writer.write(dataEvent(text));
      writer.close();
    }, (error) => {
      this.#hasEnded = true;
      writer.fail(error);
    });
    return new Response(writer.body, { headers: SSE });
  }

  #endTooLong(writer: EventWriter): void {
    this.#hasEnded = true;
    writer.fail(new UpstreamFailure("upstream_failed", "response_too_large"));
    this.#onGone();
  }
}

/** A stream of events that the caller writes. */
export function eventResponse(writer: EventWriter): Response {
  return new Response(writer.body, { headers: SSE });
}

/** An answer as JSON. */
export function jsonAnswer({ text, status }: AnswerText): Response {
  return new Response(text, { status, headers: { "content-type": "application/json" } });
}

/** A response message with a result, given as JSON text. */
export function resultText(id: string | number, result: string): AnswerText {
  return { text: `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`, status: 200 };
}

/** A response message with an error. Of the statuses only those that say something about the protocol are kept. */
export function errorText(id: string | number | null, error: RpcError, status = 200): AnswerText {
  const text = JSON.stringify({ jsonrpc: "2.0", id, error: { ...error } });
  return { text, status: status === 400 || status === 404 ? status : 200 };
}
