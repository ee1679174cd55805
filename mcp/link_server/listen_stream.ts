/** The stream that answers `subscriptions/listen`: what one or several links announce. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { EventWriter, MAX_BACKLOG_BYTES } from "../event_stream.ts";
import type { LinkLease } from "../links/link_pool.ts";
import { SUBSCRIPTION_META } from "../links/modern_meta.ts";
import type { MessageId } from "../refusals.ts";
import type { NotificationFilter } from "../upstream_link.ts";
import { eventResponse } from "./answer_stream.ts";

/** Most notices that may come before the acknowledgement. */
export const MAX_EARLY = 1_000;

/** What a client asks to hear. */
export function notificationFilterOf(notifications: JsonValue | undefined): NotificationFilter {
  const given = isJsonObject(notifications) ? notifications : {};
  const uris = Array.isArray(given.resourceSubscriptions)
    ? given.resourceSubscriptions.filter((uri): uri is string => typeof uri === "string")
    : [];
  return {
    ...(given.toolsListChanged === true ? { toolsListChanged: true } : {}),
    ...(given.promptsListChanged === true ? { promptsListChanged: true } : {}),
    ...(given.resourcesListChanged === true ? { resourcesListChanged: true } : {}),
    ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
  };
}

/** One open stream. Whoever needs a link for it closes it when that link is lost, so that the client opens another one. */
export class ListenStream {
  readonly #writer: EventWriter;
  readonly #id: MessageId;
  readonly #stops: (() => void)[] = [];
  /** What comes before the acknowledgement, which must be first. */
  #early: JsonObject[] | undefined = [];
  #isClosed = false;

  constructor(id: MessageId, signal: AbortSignal) {
    this.#id = id;
    this.#writer = new EventWriter(() => this.#stop());
    signal.addEventListener("abort", () => this.close(), { once: true });
    if (signal.aborted) this.close();
  }

  /** Listens to a link, which the stream takes over, and sends what `shown` makes of each notice. Throws like `listen`. */
  async add(
    lease: LinkLease,
    filter: NotificationFilter,
    shown: (method: string, params: JsonObject) => JsonObject | undefined,
  ): Promise<void> {
    try {
      const stop = await lease.link.listen(filter, (method, params) => {
        const given = shown(method, params);
        if (given !== undefined) this.#send(method, given);
      });
      this.#stops.push(() => {
        stop();
        lease.release();
      });
      if (this.#isClosed) this.#stop();
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** The answer, which begins with what the client may expect. */
  acknowledge(filter: NotificationFilter): Response {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#send("notifications/subscriptions/acknowledged", { notifications: { ...filter } as JsonObject });
    for (const { method, params } of early) this.#send(String(method), params as JsonObject);
    return eventResponse(this.#writer);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#stop();
    this.#writer.close();
  }

  #stop(): void {
    this.#isClosed = true;
    for (const stop of this.#stops.splice(0)) stop();
  }

  #send(method: string, params: JsonObject): void {
    if (this.#isClosed) return;
    if (this.#early !== undefined) {
      if (this.#early.length >= MAX_EARLY) return this.close();
      return void this.#early.push({ method, params });
    }
    if (this.#writer.backlog > MAX_BACKLOG_BYTES) return this.close();
    const meta = isJsonObject(params._meta) ? params._meta : {};
    const given = { ...params, _meta: { ...meta, [SUBSCRIPTION_META]: this.#id } };
    this.#writer.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method, params: given })}\n\n`);
  }
}
