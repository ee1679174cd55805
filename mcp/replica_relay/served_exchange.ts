/** A request that came from another replica, seen from the one that answers it. */
import type { JsonObject } from "../../core/json.ts";
import type { LinkedRequest } from "../linked_request.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { RpcError } from "../upstream_link.ts";
import { bytesText, type Frame, type NumberedFrame, type RequestFrame, textBytes } from "./relay_frames.ts";

export interface ServedExchangeOptions {
  readonly frame: RequestFrame;
  readonly serve: (upstream: string, request: LinkedRequest) => Promise<Response>;
  /** Sends a frame to the replica that asks. */
  readonly send: (frame: NumberedFrame) => Promise<unknown>;
  readonly onEnd: () => void;
  readonly onError: (error: unknown) => void;
}

/** Headers of an answer that go on. */
const PASSED: readonly string[] = ["content-type", "mcp-session-id"];

/** One exchange. */
export class ServedExchange {
  readonly #options: ServedExchangeOptions;
  readonly #stop = new AbortController();
  #deciding: PromiseWithResolvers<RpcError | undefined> | undefined;
  /** Frames go out one after the other. */
  #sending: Promise<unknown> = Promise.resolve();
  #sent = 0;
  /** The request was the first. */
  #received = 1;

  constructor(options: ServedExchangeOptions) {
    this.#options = options;
  }

  /** The replica that asks. */
  get other(): string {
    return this.#options.frame.from;
  }

  /** Answers; never rejects. */
  async run(): Promise<void> {
    const { onEnd, onError } = this.#options;
    try {
      await this.#send({ kind: "accepted" });
      if (this.#stop.signal.aborted) throw new UpstreamFailure("upstream_failed", "cancelled");
      await this.#answer();
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) onError(error);
      const { kind, code } = error instanceof UpstreamFailure
        ? error
        : new UpstreamFailure("unknown", "internal");
      await this.#send({ kind: "failed", failure: kind, code }).catch(onError);
    } finally {
      onEnd();
    }
  }

  receive(frame: NumberedFrame): void {
    if (frame.number !== this.#received++ || frame.kind === "cancel") return this.stop();
    if (frame.kind !== "decided") return;
    this.#deciding?.resolve(frame.error);
    this.#deciding = undefined;
  }

  /** Nobody waits for the answer any more. */
  stop(): void {
    this.#stop.abort();
    this.#deciding?.reject(new UpstreamFailure("unknown", "cancelled"));
  }

  async #answer(): Promise<void> {
    const { frame, serve } = this.#options;
    const { tenant, blockIds, body } = frame;
    const response = await serve(frame.upstream, {
      method: frame.method,
      headers: new Headers(frame.headers.map(([name, value]) => [name, value])),
      signal: this.#stop.signal,
      caller: { tenant, blockIds, decideAgain: (answers) => this.#decideAgain(answers) },
      ...(body === undefined ? {} : { body: textBytes(body) }),
    });
    const reader = response.body?.getReader();
    const cancel = () => void reader?.cancel().catch(() => {});
    this.#stop.signal.addEventListener("abort", cancel, { once: true });
    if (this.#stop.signal.aborted) cancel();
    try {
      const headers = [...response.headers].filter(([name]) => PASSED.includes(name));
      await this.#send({ kind: "head", status: response.status, headers });
      for (let chunk = await reader?.read(); chunk?.value !== undefined; chunk = await reader?.read()) {
        await this.#send({ kind: "data", bytes: bytesText(chunk.value) });
      }
      await this.#send({ kind: "end" });
    } finally {
      cancel(); // what could not be sent must not go on filling up
    }
  }

  /** Asks the replica that has the client's credential. */
  async #decideAgain(inputResponses: JsonObject): Promise<RpcError | undefined> {
    const deciding = Promise.withResolvers<RpcError | undefined>();
    // `stop` may reject it while the question is still on its way, and nobody waits yet.
    deciding.promise.catch(() => {});
    this.#deciding = deciding;
    if (this.#stop.signal.aborted) throw new UpstreamFailure("unknown", "cancelled");
    await this.#send({ kind: "decide", inputResponses });
    return await deciding.promise;
  }

  #send(frame: Frame): Promise<unknown> {
    const numbered = { ...frame, number: this.#sent++ };
    const sending = this.#sending.then(() => this.#options.send(numbered));
    this.#sending = sending.catch(() => {});
    return sending;
  }
}
