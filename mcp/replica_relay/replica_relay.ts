/**
 * Requests that another replica must answer, because it keeps the session or the waiting call that they go on with. Frames
 * go through a table; whoever is written to is woken by the database, and looks by itself from time to time.
 */
import type { LinkedRequest } from "../linked_request.ts";
import type { LinkRelay } from "../link_server/link_server.ts";
import { AskedExchange } from "./asked_exchange.ts";
import type { Frame, FrameSeal, NumberedFrame, RequestFrame, SentFrame } from "./relay_frames.ts";
import { ServedExchange } from "./served_exchange.ts";

/** The table that carries the frames. */
export interface RelayStore {
  send(tenant: string, receiver: string, exchange: string, sealed: string): Promise<number>;
  take(receiver: string, most: number): Promise<readonly { exchange: string; sealed: string }[]>;
  withdraw(message: number): Promise<boolean>;
  prune(most: number): Promise<number>;
  isAlive(replicaId: string): Promise<boolean>;
  /** Calls back when a frame for this replica may have come, also after each connection. */
  listen(onFrame: (receiver: string) => void, onListening: () => void): Promise<void>;
}

export interface ReplicaRelayOptions {
  readonly store: RelayStore;
  readonly seal: FrameSeal;
  readonly replicaId: string;
  readonly newId: () => string;
  readonly nowMs: () => number;
  /** Answers a request that came from another replica. */
  readonly serve: (upstream: string, request: LinkedRequest) => Promise<Response>;
  readonly onError: (error: unknown) => void;
}

/** Most exchanges that this replica asks, and that it serves, at once. */
export const MAX_RELAYED = 2_000;
const TAKEN_AT_ONCE = 100;
const PRUNED_AT_ONCE = 1_000;
/** The database may have forgotten to wake us. */
const POLL_MS = 2_000;
/** How often it is asked whether the other replicas still live. */
const ALIVE_MS = 3_000;

/** A request that is older, by the clock of who asks, is not served; the clocks of replicas may differ by as much. */
const MAX_AGE_MS = 60_000;

/** Frames after which more of an answer comes. */
const ANSWERING: readonly Frame["kind"][] = ["accepted", "head", "data", "decide"];

/** The exchanges of this replica with others. */
export class ReplicaRelay implements LinkRelay {
  readonly #options: ReplicaRelayOptions;
  readonly #asked = new Map<string, AskedExchange>();
  readonly #served = new Map<string, ServedExchange>();
  /** When the requests of exchanges came, as long as they could be taken for new ones. */
  readonly #seen = new Map<string, number>();
  #taking: Promise<void> | undefined;
  #again = false;
  #timers: ReturnType<typeof setInterval>[] = [];

  constructor(options: ReplicaRelayOptions) {
    this.#options = options;
  }

  /** Begins to take frames. */
  async start(): Promise<void> {
    const { store, replicaId, onError } = this.#options;
    const take = () => void this.#take();
    this.#timers = [
      setInterval(take, POLL_MS),
      setInterval(() => void this.#checkOthers().catch(onError), ALIVE_MS),
    ];
    await store.listen((receiver) => receiver === replicaId && take(), take);
  }

  /** Ends all exchanges. */
  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const asked of this.#asked.values()) asked.fail("unknown", "shutdown");
    for (const served of this.#served.values()) served.stop();
  }

  /** Exchanges under way. */
  get open(): number {
    return this.#asked.size + this.#served.size;
  }

  async send(owner: string, upstream: string, request: LinkedRequest): Promise<Response> {
    const { store, newId, replicaId, nowMs } = this.#options;
    if (this.#asked.size >= MAX_RELAYED || !await store.isAlive(owner)) return notHere();
    const exchange = newId();
    const tenant = request.caller?.tenant ?? "";
    const asked = new AskedExchange({
      ...{ owner, upstream, request, replicaId, nowMs },
      send: (frame) => this.#send(tenant, owner, exchange, frame),
      withdraw: (message) => store.withdraw(message),
      onEnd: () => this.#asked.delete(exchange),
    });
    this.#asked.set(exchange, asked);
    return await asked.answer() ?? notHere();
  }

  async #send(tenant: string, receiver: string, exchange: string, frame: NumberedFrame): Promise<number> {
    const { store, seal, replicaId } = this.#options;
    const sent: SentFrame = { ...frame, sender: { replica: replicaId, tenant } };
    return await store.send(tenant, receiver, exchange, await seal.seal(sent, receiver, exchange));
  }

  /** Takes what has come; whoever calls meanwhile makes it look once more. */
  #take(): Promise<void> {
    this.#again = this.#taking !== undefined;
    this.#taking ??= this.#takeAll().catch(this.#options.onError).finally(() => {
      this.#taking = undefined;
      if (this.#again) void this.#take();
    });
    return this.#taking;
  }

  async #takeAll(): Promise<void> {
    const { store, seal, replicaId } = this.#options;
    for (let taken; (taken = await store.take(replicaId, TAKEN_AT_ONCE)).length > 0;) {
      for (const { exchange, sealed } of taken) {
        const frame = await seal.open(sealed, replicaId, exchange);
        if (frame !== undefined) this.#receive(exchange, frame);
      }
    }
  }

  #receive(exchange: string, frame: SentFrame): void {
    if (frame.kind === "request") return this.#serve(exchange, frame);
    const known = this.#asked.get(exchange) ?? this.#served.get(exchange);
    if (known !== undefined) known.receive(frame);
    else if (ANSWERING.includes(frame.kind)) this.#refuse(exchange, frame);
  }

  /** Somebody still answers what nobody waits for: the cancellation was lost, or never sent. */
  #refuse(exchange: string, { sender }: SentFrame): void {
    if (sender === undefined) return;
    const { replica, tenant } = sender;
    this.#send(tenant, replica, exchange, { kind: "cancel", number: 0 }).catch(this.#options.onError);
  }

  /** Serves a request once: whoever writes the table could put it there again. */
  #serve(exchange: string, frame: RequestFrame): void {
    const { nowMs, serve, onError } = this.#options;
    if (this.#seen.has(exchange)) return;
    const send = (answer: NumberedFrame) => this.#send(frame.tenant, frame.from, exchange, answer);
    const isOld = Math.abs(nowMs() - frame.sentAtMs) > MAX_AGE_MS;
    if (isOld || this.#served.size >= MAX_RELAYED) {
      const code = isOld ? "relay_late" : "relay_busy";
      send({ kind: "failed", failure: "upstream_failed", code, number: 0 }).catch(onError);
      return;
    }
    this.#seen.set(exchange, nowMs());
    const served = new ServedExchange({
      ...{ frame, serve, onError, send },
      onEnd: () => this.#served.delete(exchange),
    });
    this.#served.set(exchange, served);
    void served.run();
  }

  #forgetSeen(): void {
    const before = this.#options.nowMs() - 2 * MAX_AGE_MS;
    for (const [exchange, atMs] of this.#seen) {
      if (atMs >= before) break;
      this.#seen.delete(exchange);
    }
  }

  async #checkOthers(): Promise<void> {
    const { store } = this.#options;
    this.#forgetSeen();
    await store.prune(PRUNED_AT_ONCE);
    const others = [...this.#asked.values(), ...this.#served.values()].map(({ other }) => other);
    for (const other of new Set(others)) {
      if (await store.isAlive(other)) continue;
      for (const asked of this.#asked.values()) {
        if (asked.other === other) asked.fail("unknown", "owner_lost");
      }
      for (const served of this.#served.values()) if (served.other === other) served.stop();
    }
  }
}

/** What a client takes for a session that is gone: it begins a new one. */
function notHere(): Response {
  return new Response(null, { status: 404 });
}
