/** The sessions of legacy clients that this replica keeps, because links live in one process. */
import type { Caller } from "../linked_request.ts";
import type { LinkPool } from "../links/link_pool.ts";
import type { KeptStreams } from "./kept_streams.ts";
import { tenantWithMost } from "../tenant_shares.ts";
import { LinkSession, type LinkSessionOptions } from "./link_session.ts";

/**
 * Most sessions of one replica, and of one principal. The one that was used longest ago makes room: of the principal's, or
 * of the tenant that has the most.
 */
export const MAX_LINK_SESSIONS = 10_000;
export const MAX_LINK_SESSIONS_PER_PRINCIPAL = 64;
/** A session that nobody uses for so long ends, milliseconds. */
export const LINK_SESSION_IDLE_MS = 60 * 60_000;

const SWEEP_MS = 60_000;
const PREFIX = "link.";

export interface LinkSessionsOptions {
  readonly pool: LinkPool;
  readonly kept: KeptStreams;
  readonly replicaId: string;
  readonly newId: () => string;
  readonly steadyMs: () => number;
  readonly maxSessions?: number;
}

interface Entry {
  readonly session: LinkSession;
  usedMs: number;
}

/** Finds sessions by their id; an id names the replica that keeps it. */
export class LinkSessions {
  readonly #options: LinkSessionsOptions;
  /** In the order of use. */
  readonly #entries = new Map<string, Entry>();
  /** The same of each principal. */
  readonly #byPrincipal = new Map<string, Set<string>>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: LinkSessionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The replica that keeps a session, `undefined` for an id that was not made here. */
  ownerOf(id: string): string | undefined {
    if (!id.startsWith(PREFIX)) return undefined;
    const end = id.lastIndexOf(".");
    return end <= PREFIX.length ? undefined : id.slice(PREFIX.length, end);
  }

  open(of: Omit<LinkSessionOptions, "id" | "pool" | "kept" | "onLost">): LinkSession {
    const { pool, kept, replicaId, newId } = this.#options;
    const id = `${PREFIX}${replicaId}.${newId()}`;
    const session: LinkSession = new LinkSession({
      ...of,
      ...{ id, pool, kept, onLost: () => this.end(session) },
    });
    const principal = principalOf(of);
    const own = this.#byPrincipal.get(principal) ?? new Set();
    const [oldestOfOwn] = own.size >= MAX_LINK_SESSIONS_PER_PRINCIPAL ? own : [];
    if (oldestOfOwn !== undefined) this.#endId(oldestOfOwn);
    if (this.#entries.size >= (this.#options.maxSessions ?? MAX_LINK_SESSIONS)) this.#makeRoom();
    this.#byPrincipal.set(principal, own.add(id));
    this.#entries.set(id, { session, usedMs: this.#options.steadyMs() });
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS);
    return session;
  }

  /** The session of this id when it is the caller's own. */
  find(id: string, caller: Caller | undefined): LinkSession | undefined {
    const entry = this.#entries.get(id);
    const isOwn = entry !== undefined && caller !== undefined &&
      principalOf(entry.session.options) === principalOf(caller);
    if (!isOwn) return undefined;
    entry.usedMs = this.#options.steadyMs();
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    const own = this.#byPrincipal.get(principalOf(caller));
    own?.delete(id);
    own?.add(id);
    return entry.session;
  }

  end(session: LinkSession): void {
    this.#endId(session.options.id);
  }

  /** Ends the sessions of principals whom a revocation concerns. */
  endWhere(concerns: (principal: Pick<Caller, "tenant" | "blockIds">) => boolean): void {
    for (const [id, { session }] of [...this.#entries]) if (concerns(session.options)) this.#endId(id);
  }

  /** Ends the session of the same principal that was used longest ago and has a link of its own; false without one. */
  endOldestBeside(session: LinkSession, upstream: string): boolean {
    for (const id of this.#byPrincipal.get(principalOf(session.options)) ?? []) {
      const other = this.#entries.get(id)?.session;
      if (other === undefined || other === session || !other.holds(upstream)) continue;
      this.#endId(id);
      return true;
    }
    return false;
  }

  close(): void {
    for (const id of [...this.#entries.keys()]) this.#endId(id);
  }

  #makeRoom(): void {
    const sessions = [...this.#entries];
    const tenant = tenantWithMost(sessions.map(([, { session }]) => session.options.tenant));
    const [oldest] = sessions.find(([, { session }]) => session.options.tenant === tenant) ?? [];
    if (oldest !== undefined) this.#endId(oldest);
  }

  #endId(id: string): void {
    const session = this.#entries.get(id)?.session;
    if (session === undefined) return;
    this.#entries.delete(id);
    const principal = principalOf(session.options);
    const own = this.#byPrincipal.get(principal);
    own?.delete(id);
    if (own?.size === 0) this.#byPrincipal.delete(principal);
    session.close();
    if (this.#entries.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    const before = this.#options.steadyMs() - LINK_SESSION_IDLE_MS;
    for (const [id, entry] of [...this.#entries]) {
      if (entry.usedMs >= before) break;
      // Who has a stream open uses the session.
      if (!entry.session.changes.isOpen) this.#endId(id);
    }
  }
}

function principalOf({ tenant, blockIds }: Pick<Caller, "tenant" | "blockIds">): string {
  return JSON.stringify([tenant, blockIds[0]]);
}
