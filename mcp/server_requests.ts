/**
 * Requests of a legacy upstream to its client, where the upstream's configuration lets them pass. The client sees an id of
 * the gateway's own that names the upstream's id and the session: an answer is passed on only for a request that was
 * really sent to this very session, and any replica can tell.
 */
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { memberSpans, withSpan } from "../core/strict_json_spans.ts";
import type { MessageId } from "./refusals.ts";
import type { SealKeys } from "../core/sealing.ts";
import { createClientSeal } from "./sealing.ts";

/** What an upstream may ask clients; the names of the client capabilities. */
export type ClientRequest = "elicitation" | "sampling" | "roots";

/** The capability that a method needs; `ping` needs none and tells nothing. */
const CAPABILITY_OF: Readonly<Record<string, ClientRequest | "none">> = {
  ping: "none",
  "elicitation/create": "elicitation",
  "sampling/createMessage": "sampling",
  "roots/list": "roots",
};

const MAX_ID_LENGTH = 256;
/** Longer ids of an upstream would not fit into one of ours. */
const MAX_UPSTREAM_ID_LENGTH = 120;
/** Requests of one stream whose cancellation is still understood. */
const MAX_REMEMBERED = 64;
/** Refusals of one stream that are on their way to the upstream; beyond that it is told nothing. */
const MAX_REFUSING = 8;

/** Ids that stand for an upstream's id in one session. */
export interface ServerRequestIds {
  wrap(id: MessageId, sessionId: string): Promise<string>;
  /** The upstream's own id, `undefined` for an id that was never given to this session. */
  unwrap(id: JsonValue | undefined, sessionId: string): Promise<MessageId | undefined>;
}

/** Makes ids under the keys of sessions. */
export function createServerRequestIds(keys: SealKeys): ServerRequestIds {
  const context = "intentgate-mcp-server-request-v1";
  const seal = createClientSeal({ keys, prefix: "igr1.", context, maxLength: MAX_ID_LENGTH });
  return {
    wrap: (id, sessionId) => seal.seal({ id }, sessionId),
    async unwrap(id, sessionId) {
      const opened = typeof id === "string" ? await seal.open(id, sessionId) : undefined;
      const own = isJsonObject(opened) ? opened.id : undefined;
      return typeof own === "string" || typeof own === "number" ? own : undefined;
    },
  };
}

/** What becomes of the requests of one stream. */
export interface ServerRequestRules {
  readonly allowed: readonly ClientRequest[];
  /** Tells the upstream that nobody will answer; never rejects. */
  refuse(id: MessageId): Promise<void>;
}

/** The requests that pass on one stream. */
export class ServerRequestRelay {
  readonly #ids: ServerRequestIds;
  readonly #sessionId: string;
  readonly #rules: ServerRequestRules;
  #refusing = 0;
  #shown: Map<MessageId, string> | undefined;

  constructor(ids: ServerRequestIds, sessionId: string, rules: ServerRequestRules) {
    this.#ids = ids;
    this.#sessionId = sessionId;
    this.#rules = rules;
  }

  /** The request's text with our id; `undefined` when it must not pass, which the upstream is told, too. */
  async pass(text: string, method: string, id: JsonValue | undefined): Promise<string | undefined> {
    if (typeof id !== "string" && typeof id !== "number") return undefined;
    const span = memberSpans(text).get("id");
    if (span === undefined) return undefined;
    if (!this.#mayPass(method) || JSON.stringify(id).length > MAX_UPSTREAM_ID_LENGTH) {
      this.#refuse(id);
      return undefined;
    }
    const shown = await this.#ids.wrap(id, this.#sessionId);
    this.#shown ??= new Map();
    if (this.#shown.size < MAX_REMEMBERED) this.#shown.set(id, shown);
    return withSpan(text, span, JSON.stringify(shown));
  }

  #mayPass(method: string): boolean {
    const needed = Object.hasOwn(CAPABILITY_OF, method) ? CAPABILITY_OF[method] : undefined;
    return needed !== undefined && (needed === "none" || this.#rules.allowed.includes(needed));
  }

  /** Otherwise the upstream would wait, and the client with it. */
  #refuse(id: MessageId): void {
    if (this.#refusing >= MAX_REFUSING) return;
    this.#refusing++;
    void this.#rules.refuse(id).finally(() => this.#refusing--);
  }

  /** The text of a `notifications/cancelled`, which names a request, with the id that the client knows. */
  cancelled(text: string): string {
    const params = memberSpans(text).get("params");
    const span = params === undefined ? undefined : memberSpans(text, params).get("requestId");
    if (span === undefined) return text;
    const shown = this.#shown?.get(JSON.parse(text.slice(span.start, span.end)));
    return shown === undefined ? text : withSpan(text, span, JSON.stringify(shown));
  }
}
