/** A request that came from another replica, seen from the one that answers it. */
import type { JsonObject } from "../../core/json.ts";
import type { LinkedRequest } from "../linked_request.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { RpcError } from "../upstream_link.ts";
import { bytesText, type Frame, type RequestFrame, textBytes } from "./relay_frames.ts";

export interface ServedExchangeOptions {
  readonly frame: RequestFrame;
  readonly serve: (upstream: string, request: LinkedRequest) => Promise<Response>;
  /** Sends a frame to the replica that asks. */
  readonly send: (frame: Frame) => Promise<unknown>;
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

  constructor(options: ServedExchangeOptions) {
    this.#options = options;
  }

  /** The replica that asks. */
  get other(): string {
    return this.#options.frame.from;
  }

  /** Answers; never rejects. */
  async run(): Promise<void> {
    const { send, onEnd, onError } = this.#options;
    try {
      await send({ kind: "accepted" });
      await this.#answer();
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) onError(error);
      const { kind, code } = error instanceof UpstreamFailure
        ? error
        : new UpstreamFailure("unknown", "internal");
      await send({ kind: "failed", failure: kind, code }).catch(onError);
    } finally {
      onEnd();
    }
  }

  receive(frame: Frame): void {
    if (frame.kind === "cancel") return this.stop();
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
    const { frame, serve, send } = this.#options;
    const { tenant, rootBlockId, body } = frame;
    const response = await serve(frame.upstream, {
      method: frame.method,
      headers: new Headers(frame.headers.map(([name, value]) => [name, value])),
      signal: this.#stop.signal,
      caller: { tenant, rootBlockId, decideAgain: (answers) => this.#decideAgain(answers) },
      ...(body === undefined ? {} : { body: textBytes(body) }),
    });
    const headers = [...response.headers].filter(([name]) => PASSED.includes(name));
    await send({ kind: "head", status: response.status, headers });
    const reader = response.body?.getReader();
    const cancel = () => void reader?.cancel().catch(() => {});
    this.#stop.signal.addEventListener("abort", cancel, { once: true });
    for (let chunk = await reader?.read(); chunk?.value !== undefined; chunk = await reader?.read()) {
      await send({ kind: "data", bytes: bytesText(chunk.value) });
    }
    await send({ kind: "end" });
  }

  /** Asks the replica that has the client's credential. */
  async #decideAgain(inputResponses: JsonObject): Promise<RpcError | undefined> {
    const deciding = Promise.withResolvers<RpcError | undefined>();
    this.#deciding = deciding;
    await this.#options.send({ kind: "decide", inputResponses });
    return await deciding.promise;
  }
}
