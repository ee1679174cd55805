/** The answer to one request: JSON when nothing comes before it, a stream of events otherwise. */
import type { JsonObject } from "../../core/json.ts";
import { dataEvent, EventWriter } from "../event_stream.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { RpcError } from "../upstream_link.ts";
import type { KeptStream } from "./kept_streams.ts";

/** A response message as text, and the HTTP status that it would have alone. */
export interface AnswerText {
  readonly text: string;
  readonly status: number;
}

const SSE: HeadersInit = { "content-type": "text/event-stream", "cache-control": "no-store" };

export interface AnswerStreamOptions {
  /** Called when nobody reads any more. */
  readonly onGone: () => void;
  /** Most characters before the answer. */
  readonly maxLength: number;
  /** Keeps what is sent for a client that comes back. Absent where none can. */
  readonly keep?: (() => KeptStream) | undefined;
  /** An answer that takes longer becomes a stream at once, so that the client can come back for it. */
  readonly primeAfterMs?: number | undefined;
}

/** The answer did not come, but the client of a stream that can be resumed is still waiting for one. */
const LOST = { code: -32603, message: "The upstream did not finish its answer" };

/** Collects what is sent before the answer. */
export class AnswerStream {
  readonly #options: AnswerStreamOptions;
  readonly #started = Promise.withResolvers<void>();
  #length = 0;
  #writer: EventWriter | undefined;
  #kept: KeptStream | undefined;
  #hasEnded = false;

  constructor(options: AnswerStreamOptions) {
    this.#options = options;
  }

  /** Sends a notification or a request; the first makes the answer a stream. */
  send(message: JsonObject): void {
    if (this.#hasEnded) return;
    const writer = this.#start();
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#length += text.length;
    if (this.#length > this.#options.maxLength) return this.#endTooLong(writer);
    this.#write(writer, text);
  }

  /** The HTTP answer around what `answering` gives to the request `id`. Rejects with it as long as no stream has begun. */
  async respond(id: string | number, answering: Promise<AnswerText>): Promise<Response> {
    const timer = this.#primeLater();
    const first = await Promise.race([answering, this.#started.promise]).catch((error) => {
      this.#hasEnded = true;
      throw error;
    }).finally(() => clearTimeout(timer));
    if (this.#writer === undefined && first !== undefined) {
      this.#hasEnded = true;
      return jsonAnswer(first);
    }
    const writer = this.#writer as EventWriter;
    answering.then(({ text }) => {
      this.#hasEnded = true;
      this.#write(writer, text);
      writer.close();
      this.#kept?.end();
    }, (error) => {
      this.#hasEnded = true;
      this.#kept?.write(errorText(id, LOST).text);
      this.#kept?.end();
      writer.fail(error);
    });
    return new Response(writer.body, { headers: SSE });
  }

  #primeLater(): ReturnType<typeof setTimeout> | undefined {
    const { primeAfterMs } = this.#options;
    if (primeAfterMs === undefined) return undefined;
    return setTimeout(() => {
      const writer = this.#start();
      if (this.#kept !== undefined) writer.write(this.#kept.primingEvent());
    }, primeAfterMs);
  }

  #start(): EventWriter {
    this.#writer ??= new EventWriter(this.#options.onGone);
    this.#kept ??= this.#options.keep?.();
    this.#started.resolve();
    return this.#writer;
  }

  #write(writer: EventWriter, data: string): void {
    writer.write(this.#kept === undefined ? dataEvent(data) : this.#kept.write(data));
  }

  #endTooLong(writer: EventWriter): void {
    this.#hasEnded = true;
    writer.fail(new UpstreamFailure("upstream_failed", "response_too_large"));
    this.#options.onGone();
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
