/** A tool server that speaks MCP over the standard input and output of a process of its own; both protocol eras. */
import type { JsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { ProtocolEra, UpstreamInfo, UpstreamLink } from "../upstream_link.ts";
import { ConversationLink } from "./conversation_link.ts";
import { discoverRequest, initialize, modernInfo } from "./handshake_requests.ts";
import { idOfLongLine, type SplitLine } from "./line_splitter.ts";
import type { LinkOptions } from "./link_options.ts";
import type { GiveUpReason, PendingRequest } from "./pending_requests.ts";
import { type StdioCommand, StdioProcess } from "./stdio_process.ts";

export interface StdioLinkOptions extends LinkOptions {
  readonly command: StdioCommand;
  /** Default: ask with `server/discover`, then with `initialize`. */
  readonly era?: ProtocolEra;
  /** A line of the server's standard error; already bounded in length and rate. */
  readonly onStderr?: (line: string) => void;
  /** A line of standard output that is no message; counted by the caller. */
  readonly onJunk?: (why: string) => void;
}

/** A server that says nothing to `server/discover` for so long is also asked with `initialize`. */
const PROBE_MS = 3_000;
/** A process that takes no input any more has ended, or is about to. */
const END_MS = 1_000;
/** Shells say 127, `setpriv` says 127 or 126 when there is no such program. */
const NO_SUCH_PROGRAM: readonly number[] = [126, 127];

/** Starts the process and does the handshake; throws `UpstreamFailure`, and leaves no process behind when it does. */
export async function openStdioLink(options: StdioLinkOptions): Promise<UpstreamLink> {
  try {
    return await openOnce(options);
  } catch (error) {
    // Some servers of the legacy era end when the first message is not `initialize`.
    const diedOfProbe = error instanceof UpstreamFailure && error.code === "process_exited" &&
      options.era === undefined;
    if (!diedOfProbe) throw error;
    return await openOnce({ ...options, era: "legacy" });
  }
}

async function openOnce(options: StdioLinkOptions): Promise<UpstreamLink> {
  const link = await StdioLink.start(options);
  try {
    await link.shakeHands();
    return link;
  } catch (error) {
    // Once the process has ended, its code says more than the request that it left open.
    const isEnding = !link.isOpen() ||
      (error instanceof UpstreamFailure && error.code === "process_unwritable");
    const ended = isEnding ? await withinMs(link.gone, END_MS) : undefined;
    const code = ended?.isInTime === true ? ended.value : undefined;
    await link.close();
    if (code !== undefined) throw new UpstreamFailure("upstream_failed", code);
    throw error instanceof UpstreamFailure ? error : new UpstreamFailure("upstream_failed", "cannot_start");
  }
}

class StdioLink extends ConversationLink<StdioLinkOptions> {
  readonly #process: StdioProcess;
  readonly #ended: Promise<string>;

  static async start(options: StdioLinkOptions): Promise<StdioLink> {
    let link: StdioLink | undefined;
    try {
      const process = await StdioProcess.start(options.command, {
        maxLineBytes: options.maxMessageBytes,
        onLine: (line) => link?.takeLine(line),
        ...(options.onStderr === undefined ? {} : { onStderr: options.onStderr }),
      });
      link = new StdioLink(options, process);
      return link;
    } catch {
      throw new UpstreamFailure("upstream_failed", "cannot_start");
    }
  }

  private constructor(options: StdioLinkOptions, process: StdioProcess) {
    super(options, {
      carriesTrace: true,
      onUnusable: (why) => options.onJunk?.(why),
      accepts: (params) => this.isCurrentNotice(params),
    });
    this.#process = process;
    this.#ended = process.ended.then(({ code }) => {
      const why = !this.isOpen()
        ? "closed"
        : NO_SUCH_PROGRAM.includes(code)
        ? "cannot_start"
        : "process_exited";
      this.end(why);
      return why;
    });
  }

  /** Resolves only when the process has ended. */
  override get gone(): Promise<string> {
    return this.#ended;
  }

  async shakeHands(): Promise<void> {
    const info = await this.#findEra(this.closing);
    this.conversation.era = info.era;
    this.opened(info);
  }

  override async close(): Promise<void> {
    this.end("closed");
    await this.#process.stop();
  }

  async send(message: JsonObject, pending?: PendingRequest): Promise<void> {
    if (!this.isOpen()) throw new UpstreamFailure("upstream_failed", "closed");
    if (pending !== undefined) pending.isSent = true;
    try {
      await this.#process.write(JSON.stringify(message));
    } catch {
      throw new UpstreamFailure(this.isOpen() ? "unknown" : "upstream_failed", "process_unwritable");
    }
  }

  cancel(pending: PendingRequest, reason: GiveUpReason): void {
    this.tellCancelled(pending, reason);
  }

  takeLine(line: SplitLine): void {
    if (line.kind === "line") return void this.conversation.receive(line.text);
    if (line.kind === "not_utf8") return this.options.onJunk?.("invalid_utf8");
    const failure = new UpstreamFailure("upstream_failed", "response_too_large");
    this.conversation.pending.find(idOfLongLine(line))?.fail(failure);
    this.options.onJunk?.("too_long");
  }

  async #findEra(signal: AbortSignal): Promise<UpstreamInfo> {
    if (this.options.era === "legacy") return await this.#initialize(signal);
    const discovered = this.#discover(signal);
    if (this.options.era === "modern") {
      const info = await discovered;
      if (info === undefined) throw new UpstreamFailure("upstream_failed", "handshake_refused");
      return info;
    }
    const early = await withinMs(discovered, PROBE_MS);
    if (early.isInTime) return early.value ?? await this.#initialize(signal);
    // It may be a slow starter, or a server that never answers what it does not know: whichever answers first is right.
    return await Promise.any([
      this.#initialize(signal),
      discovered.then((info) => info ?? Promise.reject(new UpstreamFailure("unknown", "handshake_refused"))),
    ]).catch((error) => {
      throw error instanceof AggregateError ? error.errors[0] : error;
    });
  }

  #initialize(signal: AbortSignal): Promise<UpstreamInfo> {
    return initialize(this.conversation, this.options, signal);
  }

  async #discover(signal: AbortSignal): Promise<UpstreamInfo | undefined> {
    this.conversation.era = "modern";
    return modernInfo(await this.conversation.request(discoverRequest(this.options, signal)));
  }
}

/** What a promise gives when it does so in time; a later rejection is not an unhandled one. */
async function withinMs<T>(
  promise: Promise<T>,
  ms: number,
): Promise<{ readonly isInTime: true; readonly value: T } | { readonly isInTime: false }> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const passed = new Promise<{ readonly isInTime: false }>((resolve) => {
    timer = setTimeout(() => resolve({ isInTime: false }), ms);
  });
  promise.catch(() => {});
  try {
    return await Promise.race([promise.then((value) => ({ isInTime: true as const, value })), passed]);
  } finally {
    clearTimeout(timer);
  }
}
