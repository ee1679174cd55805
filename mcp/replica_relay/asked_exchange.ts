/** A request that another replica answers, seen from the one that has the client. */
import type { LinkedRequest } from "../linked_request.ts";
import { settledWithin } from "../settled_within.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import { bytesText, type Frame, type NumberedFrame, textBytes } from "./relay_frames.ts";

export interface AskedExchangeOptions {
  readonly owner: string;
  readonly upstream: string;
  readonly request: LinkedRequest;
  readonly replicaId: string;
  readonly nowMs: () => number;
  /** Sends a frame to the owner; gives the number of its message. */
  readonly send: (frame: NumberedFrame) => Promise<number>;
  /** Takes a message back; true when nobody has read it. */
  readonly withdraw: (message: number) => Promise<boolean>;
  readonly onEnd: () => void;
}

/** A replica that does not take a request within this time has stopped working, whatever its lease says. */
const ACCEPT_MS = 3_000;

/** One exchange; ends exactly once. */
export class AskedExchange {
  readonly #options: AskedExchangeOptions;
  readonly #accepted = Promise.withResolvers<void>();
  readonly #response = Promise.withResolvers<Response>();
  #body: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #hasEnded = false;
  /** Frames go out one after the other. */
  #sending: Promise<unknown> = Promise.resolve();
  #sent = 0;
  #received = 0;

  constructor(options: AskedExchangeOptions) {
    this.#options = options;
    this.#response.promise.catch(() => {});
    this.#accepted.promise.catch(() => {});
  }

  /** The replica that answers. */
  get other(): string {
    return this.#options.owner;
  }

  /** The answer, `undefined` when the owner took nothing; throws `UpstreamFailure`. */
  async answer(): Promise<Response | undefined> {
    const { request, withdraw } = this.#options;
    if (request.signal.aborted) {
      this.#end();
      throw new UpstreamFailure("upstream_failed", "cancelled");
    }
    request.signal.addEventListener("abort", this.#onAbort, { once: true });
    try {
      const message = await this.#sendNext(this.#requestFrame());
      if (!await settledWithin(ACCEPT_MS, this.#accepted.promise) && await withdraw(message)) {
        this.#end();
        return undefined;
      }
      return await this.#response.promise;
    } catch (error) {
      this.#giveUp("relay_failed"); // the owner may have taken it
      throw error instanceof UpstreamFailure ? error : new UpstreamFailure("unknown", "relay_failed");
    }
  }

  receive(frame: NumberedFrame): void {
    if (frame.number !== this.#received++) return this.#giveUp("relay_failed");
    switch (frame.kind) {
      case "accepted":
        return this.#accepted.resolve();
      case "head":
        this.#accepted.resolve();
        return this.#response.resolve(this.#responseOf(frame));
      case "data":
        return this.#body?.enqueue(textBytes(frame.bytes));
      case "end":
        this.#body?.close();
        return this.#end();
      case "failed":
        return this.fail(frame.failure, frame.code);
      case "decide":
        return void this.#decide(frame.inputResponses);
    }
  }

  /** Ends the exchange for everybody who waits. */
  fail(kind: "upstream_failed" | "unknown", code: string): void {
    if (this.#hasEnded) return;
    const failure = new UpstreamFailure(kind, code);
    this.#accepted.resolve();
    this.#response.reject(failure);
    this.#body?.error(failure);
    this.#end();
  }

  readonly #onAbort = () => this.#giveUp("cancelled");

  #giveUp(code: string): void {
    if (this.#hasEnded) return;
    this.#sendNext({ kind: "cancel" }).catch(() => {});
    this.fail("unknown", code);
  }

  #requestFrame(): Frame {
    const { upstream, request: { method, headers, body, caller }, replicaId, nowMs } = this.#options;
    return {
      ...{ kind: "request", from: replicaId, upstream, method, headers: [...headers] },
      ...(body === undefined ? {} : { body: bytesText(body) }),
      ...{ tenant: caller?.tenant ?? "", blockIds: caller?.blockIds ?? [], sentAtMs: nowMs() },
    };
  }

  #responseOf({ status, headers }: Extract<Frame, { kind: "head" }>): Response {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => void (this.#body = controller),
      cancel: () => {
        this.#body = undefined;
        this.#onAbort();
      },
    });
    const given = headers.map(([name, value]): [string, string] => [name, value]);
    // These have no body, and a `Response` takes none for them.
    const isEmpty = status === 204 || status === 304;
    return new Response(isEmpty ? null : body, { status, headers: given });
  }

  /** The decision is made here, where the credential is. */
  async #decide(inputResponses: Extract<Frame, { kind: "decide" }>["inputResponses"]): Promise<void> {
    const refused = { code: -32603, message: "The call cannot go on" };
    const { caller } = this.#options.request;
    const error = caller?.decideAgain === undefined
      ? refused
      : await caller.decideAgain(inputResponses).catch(() => refused);
    await this.#sendNext({ kind: "decided", ...(error === undefined ? {} : { error }) }).catch(() => {});
  }

  #sendNext(frame: Frame): Promise<number> {
    const numbered = { ...frame, number: this.#sent++ };
    const sending = this.#sending.then(() => this.#options.send(numbered));
    this.#sending = sending.catch(() => {});
    return sending;
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#body = undefined;
    this.#options.request.signal.removeEventListener("abort", this.#onAbort);
    this.#options.onEnd();
  }
}
