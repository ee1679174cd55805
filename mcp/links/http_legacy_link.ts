/** Streamable HTTP of the legacy era: 2025-11-25 and older, with or without a session. */
import type { JsonObject } from "../../core/json.ts";
import { type Exchange, UpstreamFailure } from "../upstream_connection.ts";
import type { UpstreamLink } from "../upstream_link.ts";
import { ConversationLink, openedOrClosed } from "./conversation_link.ts";
import { initialize } from "./handshake_requests.ts";
import {
  bytesOf,
  exchange,
  givenUp,
  type HttpLinkOptions,
  pause,
  readJson,
  readStream,
  refuseStatus,
  type StreamEnd,
  toolOf,
  traceHeaders,
} from "./http_exchanges.ts";
import type { GiveUpReason, PendingRequest } from "./pending_requests.ts";

/** Waiting times between attempts to open a stream again; an upstream's own `retry` counts up to the longest. */
const RETRY_MS = 1_000;
const LEAST_RETRY_MS = 100;
const MAX_RETRY_MS = 30_000;
/** Attempts in a row that bring nothing before a call's stream is given up. */
const MAX_RESUMES = 5;

/** Opens a session; throws `UpstreamFailure`. */
export async function openHttpLegacyLink(options: HttpLinkOptions): Promise<UpstreamLink> {
  return await openedOrClosed(new HttpLegacyLink(options), (link) => link.shakeHands());
}

class HttpLegacyLink extends ConversationLink<HttpLinkOptions> {
  #sessionId: string | undefined;
  #hasNoticeStream = false;

  constructor(options: HttpLinkOptions) {
    super(options, { carriesTrace: false });
  }

  async shakeHands(): Promise<void> {
    const info = await initialize(this.conversation, this.options, this.closing);
    this.opened(info, () => this.#openNotices());
    // Requests of the upstream that belong to no call of ours can only come on this stream.
    if (this.options.isExclusive === true) this.#openNotices();
  }

  override async close(): Promise<void> {
    if (!this.isOpen()) return;
    const session = this.#session();
    this.end("closed");
    if (session.sessionId === undefined) return;
    // Whether the upstream ends its session does not matter here; some answer 405.
    await exchange(this.options, { method: "DELETE", ...session })
      .then((answer) => answer.drain()).catch(() => {});
  }

  async send(message: JsonObject, pending?: PendingRequest): Promise<void> {
    if (!this.isOpen()) throw new UpstreamFailure("upstream_failed", "closed");
    const answer = await exchange(this.options, {
      method: "POST",
      body: bytesOf(message),
      agentHeaders: traceHeaders(pending),
      ...this.#session(),
      signal: pending === undefined ? this.closing : givenUp(pending),
    }, { pending, tool: toolOf(message) });
    if (answer.status === 404 && this.#sessionId !== undefined) throw this.#sessionLost(answer, pending);
    if (pending === undefined) return await takeAcceptance(answer);
    await this.#takeAnswer(answer, pending);
  }

  cancel(pending: PendingRequest, reason: GiveUpReason): void {
    this.tellCancelled(pending, reason);
  }

  async #takeAnswer(answer: Exchange, pending: PendingRequest): Promise<void> {
    if (answer.status >= 300) return await refuseStatus(answer, pending);
    const isHandshake = pending.request.method === "initialize";
    if (isHandshake) this.#sessionId = answer.sessionId;
    if (answer.contentType === "application/json") return await readJson(answer, this.conversation, pending);
    if (answer.contentType !== "text/event-stream") throw answer.fail("upstream_failed", "not_mcp");
    const end = await this.#read(answer, pending);
    if (!pending.ended.aborted) await this.#resume(end, pending);
  }

  /** A stream may break before its answer came: the upstream keeps what came after the last event that had an id. */
  async #resume(broken: StreamEnd, pending: PendingRequest): Promise<void> {
    let end = broken;
    for (let attempt = 1; attempt <= MAX_RESUMES && end.lastEventId !== undefined; attempt++) {
      await pause(Math.min(Math.max(LEAST_RETRY_MS, end.retryMs ?? RETRY_MS), MAX_RETRY_MS), pending.ended);
      if (pending.ended.aborted) return;
      const next = await this.#continue(end.lastEventId, pending);
      if (pending.ended.aborted) return;
      if (next !== undefined && next.messages > 0) attempt = 0;
      end = { ...end, ...next };
    }
    pending.fail(new UpstreamFailure("unknown", "stream_closed"));
  }

  async #continue(lastEventId: string, pending: PendingRequest): Promise<StreamEnd | undefined> {
    try {
      const answer = await this.#get(lastEventId, givenUp(pending), pending);
      return answer === undefined ? undefined : await this.#read(answer, pending);
    } catch {
      return undefined;
    }
  }

  async #read(answer: Exchange, pending?: PendingRequest): Promise<StreamEnd> {
    let last: StreamEnd = { messages: 0 };
    try {
      return await readStream(answer, this.conversation, this.options, pending, (end) => last = end);
    } catch (error) {
      const isBroken = error instanceof UpstreamFailure && error.code === "connection_lost";
      if (!isBroken || (pending !== undefined && last.lastEventId === undefined)) throw error;
      return last;
    }
  }

  /** A stream of the session, `undefined` when the upstream has none; throws `UpstreamFailure`. */
  async #get(
    lastEventId: string | undefined,
    signal: AbortSignal,
    pending?: PendingRequest,
  ): Promise<Exchange | undefined> {
    const agentHeaders = new Headers(lastEventId === undefined ? {} : { "last-event-id": lastEventId });
    const answer = await exchange(
      this.options,
      { method: "GET", agentHeaders, ...this.#session(), signal, isLongLived: true },
      { pending },
    );
    if (answer.status === 404 && this.#sessionId !== undefined) throw this.#sessionLost(answer, pending);
    if (answer.status === 200 && answer.contentType === "text/event-stream") {
      // How long it may stay open is for those who wait for it; the link's end aborts it.
      answer.extendDeadline(2 ** 31 - 1);
      return answer;
    }
    answer.abort();
    return undefined;
  }

  #openNotices(): void {
    if (this.#hasNoticeStream) return;
    this.#hasNoticeStream = true;
    void this.#readNotices().finally(() => this.#hasNoticeStream = false);
  }

  async #readNotices(): Promise<void> {
    const signal = this.closing;
    let lastEventId: string | undefined;
    for (let failures = 0; !signal.aborted;) {
      let end: StreamEnd | undefined;
      try {
        const answer = await this.#get(lastEventId, signal);
        // 405: this upstream has nothing to say on its own.
        if (answer === undefined) return;
        end = await this.#read(answer);
      } catch {
        // Tried again below, later each time.
      }
      failures = end !== undefined ? 0 : failures + 1;
      lastEventId = end?.lastEventId ?? lastEventId;
      // `retry: 0` of an upstream that has nothing to say would make a loop of this.
      const leastMs = (end?.messages ?? 0) > 0 ? LEAST_RETRY_MS : RETRY_MS;
      const waitMs = Math.max(leastMs, end?.retryMs ?? RETRY_MS) * 2 ** Math.min(failures, 5);
      await pause(Math.min(waitMs, MAX_RETRY_MS), signal);
    }
  }

  #session() {
    return { sessionId: this.#sessionId, protocolVersion: this.protocolVersion };
  }

  #sessionLost(answer: Exchange, pending: PendingRequest | undefined): UpstreamFailure {
    const failure = answer.fail("upstream_failed", "session_lost");
    // A 404 proves that this request was not run; of the others nobody knows.
    pending?.fail(failure);
    this.end("session_lost");
    return failure;
  }
}

/** What answers a message that wants no answer; throws `UpstreamFailure`. */
async function takeAcceptance(answer: Exchange): Promise<void> {
  if (answer.status >= 300) throw answer.fail("upstream_failed", `http_${answer.status}`);
  await answer.drain();
}
