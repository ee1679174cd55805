/**
 * A modern client in front of a legacy upstream: when the upstream asks the client something during a call, the call is
 * parked in the memory of this replica, the client is told `input_required`, and its retry goes on with the same call.
 */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import {
  type LinkAnswer,
  type LinkRequest,
  ServerRequestError,
  type UpstreamLink,
} from "../upstream_link.ts";
import { modernError, urlElicitations } from "./era_errors.ts";
import { modernResultText } from "./era_results.ts";
import type { LinkLease } from "./link_pool.ts";
import { tenantWithMost } from "../tenant_shares.ts";
import { MAX_INPUT_REQUESTS, mayAsk, modernInputRequest } from "./input_requests.ts";

export interface ParkedCallsOptions {
  /** Makes an id that nobody can guess; every round gets a new one. */
  readonly newId: () => string;
  /** Most calls of all; beyond it the tenant that has the most loses its oldest. */
  readonly maxParked?: number;
  /** Most calls of one owner. */
  readonly maxPerOwner?: number;
  /** How long a call waits for its retry, milliseconds; at most `MAX_PARKED_MS`. */
  readonly parkedMs?: number;
}

/** Who may go on with a call: the same principal, with the same method of the same upstream. */
export interface CallOwner {
  readonly tenant: string;
  /** Of the token that made the call, root first; one that was made from the same root may go on. */
  readonly blockIds: readonly string[];
  readonly upstream: string;
  readonly method: string;
}

/** A request of a modern client. */
export interface ModernClientRequest extends LinkRequest {
  readonly owner: CallOwner;
}

/** What the front answers: `input_required` with a `requestState`, sealed by the front, that names the parked call. */
export type BridgedAnswer =
  | LinkAnswer
  | {
    readonly kind: "parked";
    /** Names the call for `resume`; absent when the retry is a call like any other. */
    readonly parkedId?: string;
    readonly inputRequests: JsonObject;
  };

const MAX_PARKED = 1_000;
const MAX_PER_OWNER = 16;
export const MAX_PARKED_MS = 10 * 60_000;
const WORD = /^[a-z][a-z0-9_]{0,31}$/;
/** Upstreams that ask several things at once do so in one go: so long is waited for the next. */
const GATHER_MS = 10;

interface Asked {
  readonly request: JsonObject;
  answer(result: JsonObject): void;
}

interface Call {
  readonly owner: CallOwner;
  /** The owner as one text. */
  readonly ownerKey: string;
  readonly link: UpstreamLink;
  readonly stop: AbortController;
  readonly asked: Map<string, Asked>;
  readonly answer: Promise<LinkAnswer>;
  /** The request of the client that waits at the moment: where progress goes. */
  waiting: ModernClientRequest;
  wake: () => void;
  nextKey: number;
  id: string | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** The parked calls of this replica. */
export class ParkedCalls {
  readonly #options: ParkedCallsOptions;
  readonly #parked = new Map<string, Call>();
  readonly #byOwner = new Map<string, number>();

  constructor(options: ParkedCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#parked.size;
  }

  /**
   * Sends a modern client's request over a link of either era and answers as the modern era does. The lease is given back
   * when the call has ended, which may be long after this answers `parked`.
   */
  async request(lease: LinkLease, request: ModernClientRequest): Promise<BridgedAnswer> {
    const { link } = lease;
    if (request.signal.aborted) {
      // Opening the link took longer than anybody waits.
      lease.release();
      throw new UpstreamFailure("upstream_failed", "cancelled");
    }
    if (link.info.era === "legacy") return await this.#wait(startCall(lease, request));
    return await link.request(withoutHook(request)).finally(() => lease.release());
  }

  /**
   * Goes on with a parked call; `undefined` when there is none of this id and owner: it has expired, was answered, or
   * belongs to somebody else. An id works once.
   */
  async resume(id: string, request: ModernClientRequest): Promise<BridgedAnswer | undefined> {
    const call = this.#parked.get(id);
    if (call === undefined || call.ownerKey !== keyOfOwner(request.owner)) return undefined;
    this.#unpark(call);
    call.waiting = request;
    const responses = isJsonObject(request.params.inputResponses) ? request.params.inputResponses : {};
    for (const [key, asked] of [...call.asked]) {
      const response = Object.hasOwn(responses, key) ? responses[key] : undefined;
      if (!isJsonObject(response)) continue;
      call.asked.delete(key);
      asked.answer(response);
    }
    return await this.#wait(call);
  }

  /** Ends all calls of owners whom a revocation concerns. */
  endWhere(concerns: (owner: CallOwner) => boolean): void {
    for (const call of [...this.#parked.values()]) {
      if (concerns(call.owner)) this.#end(call);
    }
  }

  /** Ends all calls. */
  close(): void {
    this.endWhere(() => true);
  }

  /** Waits until the call is answered or something is asked that is not answered yet. */
  async #wait(call: Call): Promise<BridgedAnswer> {
    const { signal } = call.waiting;
    const stop = () => call.stop.abort();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      const isAsked = call.asked.size > 0 ? Promise.resolve() : new Promise<void>((wake) => call.wake = wake);
      const answer = await Promise.race([call.answer, isAsked]);
      if (answer !== undefined) return translated(answer, call);
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      return this.#park(call);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  #park(call: Call): BridgedAnswer {
    const { maxPerOwner = MAX_PER_OWNER, maxParked = MAX_PARKED } = this.#options;
    if (call.stop.signal.aborted) throw new UpstreamFailure("unknown", "cancelled");
    // Whoever has too many loses the oldest: nobody else's call gives way.
    const ofOwner = this.#byOwner.get(call.ownerKey) ?? 0;
    if (ofOwner >= maxPerOwner) this.#endOldest(({ ownerKey }) => ownerKey === call.ownerKey);
    if (this.#parked.size >= maxParked) {
      const tenant = tenantWithMost([...this.#parked.values()].map(({ owner }) => owner.tenant));
      this.#endOldest(({ owner }) => owner.tenant === tenant);
    }
    const id = this.#options.newId();
    call.id = id;
    this.#parked.set(id, call);
    this.#byOwner.set(call.ownerKey, (this.#byOwner.get(call.ownerKey) ?? 0) + 1);
    const parkedMs = Math.min(this.#options.parkedMs ?? MAX_PARKED_MS, MAX_PARKED_MS);
    call.timer = setTimeout(() => this.#end(call), parkedMs);
    const inputRequests = Object.fromEntries([...call.asked].map(([key, { request }]) => [key, request]));
    return { kind: "parked", parkedId: id, inputRequests };
  }

  #endOldest(isAmong: (call: Call) => boolean): void {
    for (const call of this.#parked.values()) {
      if (isAmong(call)) return this.#end(call);
    }
  }

  #unpark(call: Call): void {
    clearTimeout(call.timer);
    if (call.id === undefined || !this.#parked.delete(call.id)) return;
    const ofOwner = (this.#byOwner.get(call.ownerKey) ?? 1) - 1;
    if (ofOwner === 0) this.#byOwner.delete(call.ownerKey);
    else this.#byOwner.set(call.ownerKey, ofOwner);
  }

  #end(call: Call): void {
    this.#unpark(call);
    call.stop.abort();
  }
}

function keyOfOwner({ tenant, blockIds, upstream, method }: CallOwner): string {
  return JSON.stringify([upstream, tenant, blockIds[0], method]);
}

function startCall(lease: LinkLease, request: ModernClientRequest): Call {
  const { link } = lease;
  const stop = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<LinkAnswer>();
  promise.catch(() => {});
  const call: Call = {
    ...{
      owner: request.owner,
      ownerKey: keyOfOwner(request.owner),
      link,
      stop,
      answer: promise,
      waiting: request,
      asked: new Map(),
    },
    ...{ wake: () => {}, nextKey: 1, id: undefined, timer: undefined },
  };
  const { onProgress, onNotification, idleTimeoutMs, timeoutMs } = request;
  link.request({
    ...{ method: request.method, params: withoutInput(request.params), client: request.client },
    signal: stop.signal,
    // The time of the client's answers counts towards this; the upstream's own silence is bounded as ever.
    timeoutMs: MAX_PARKED_MS,
    idleTimeoutMs: Math.min(idleTimeoutMs ?? timeoutMs, timeoutMs),
    ...(onProgress === undefined ? {} : { onProgress: (params) => call.waiting.onProgress?.(params) }),
    ...(onNotification === undefined
      ? {}
      : { onNotification: (method, params) => call.waiting.onNotification?.(method, params) }),
    onServerRequest: (method, params, signal, id) => ask(call, { method, params, id }, signal),
  }).finally(() => lease.release()).then(resolve, reject);
  return call;
}

function ask(
  call: Call,
  { method, params, id }: {
    readonly method: string;
    readonly params: JsonObject;
    readonly id: string | number | undefined;
  },
  signal: AbortSignal,
): Promise<JsonObject> {
  const request = modernInputRequest(method, params);
  if (!mayAsk(request, call.waiting.client.capabilities)) {
    return Promise.reject(new ServerRequestError(-32601, "Method not found"));
  }
  if (call.asked.size >= MAX_INPUT_REQUESTS) {
    return Promise.reject(new ServerRequestError(-32603, "Too many requests to the client are open"));
  }
  const key = keyOf(call, id);
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => {
      call.asked.delete(key);
      reject(new ServerRequestError(-32603, "The request was taken back"));
    }, { once: true });
    call.asked.set(key, { request: { ...request }, answer: resolve });
    call.wake();
  });
}

/** The name of a question: the upstream's own id where that is a word, so that clients can tell what is asked. */
function keyOf(call: Call, id: string | number | undefined): string {
  const isWord = typeof id === "string" && WORD.test(id) && !call.asked.has(id);
  return isWord ? id : `ask_${call.nextKey++}`;
}

function translated(answer: LinkAnswer, call: Call): BridgedAnswer {
  const { method, params } = call.waiting;
  if (answer.kind === "error") {
    const inputRequests = urlElicitations(answer.error);
    const mayOpen = Object.values(inputRequests ?? {}).every((one) =>
      isJsonObject(one) && isJsonObject(one.params) &&
      mayAsk({ method: String(one.method), params: one.params }, call.waiting.client.capabilities)
    );
    if (inputRequests !== undefined && mayOpen) return { kind: "parked", inputRequests };
    return { kind: "error", ...modernError(answer.error, method, params) };
  }
  const text = modernResultText(answer.text, method, call.link.info);
  return { kind: "result", result: JSON.parse(text), text };
}

/** These belong to the era bridge and would be unknown members for a legacy upstream. */
function withoutInput(params: JsonObject): JsonObject {
  const { inputResponses: _responses, requestState: _state, ...rest } = params;
  return rest;
}

function withoutHook(request: ModernClientRequest): LinkRequest {
  const { onServerRequest: _hook, owner: _owner, ...rest } = request;
  return rest;
}
