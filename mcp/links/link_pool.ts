/**
 * The open links of this replica: one for each upstream and tenant, and for each principal where the upstream keeps
 * state for it. Bounded in number; opened once, however many wait; closed when idle.
 */
import { canonicalJson } from "../../core/canonical_json.ts";
import type { JsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { ProtocolEra, UpstreamLink } from "../upstream_link.ts";

/** Whose link it is. */
export interface LinkKey {
  readonly upstream: string;
  readonly tenant: string;
  /** Of the token whose holder alone uses the link, root first; absent for a link that a tenant's agents share. */
  readonly blockIds?: readonly string[];
  /** Tells links of one token apart, for example by its session. */
  readonly session?: string;
  /** What a legacy upstream is told in the handshake; other capabilities are another link. */
  readonly clientCapabilities?: JsonObject;
  /** Whether a program stands behind it, which costs much more than a connection. */
  readonly isProcess?: true;
}

export interface LinkPoolOptions {
  /** Opens a link, in the era that is known or else in the one that it finds; throws `UpstreamFailure`. */
  readonly open: (key: LinkKey, era: ProtocolEra | undefined) => Promise<UpstreamLink>;
  /** A clock that never steps, milliseconds. */
  readonly steadyMs: () => number;
  readonly maxLinks?: number;
  /** Most links of one tenant, and of one principal outside of its sessions, which are bounded in number. */
  readonly maxOfTenant?: number;
  readonly maxOfPrincipal?: number;
  /** The same of programs, sessions counted, besides the one that a tenant's agents share. */
  readonly maxProcessesOfTenant?: number;
  readonly maxProcessesOfPrincipal?: number;
  /** A link that nobody uses for so long is closed, milliseconds. */
  readonly idleMs?: number;
  /** How long the era of an upstream is believed, milliseconds. */
  readonly eraTtlMs?: number;
  /** A link ended that nobody closed. */
  readonly onLost?: (key: LinkKey, code: string) => void;
}

/** A link that is in use; give it back exactly once. */
export interface LinkLease {
  readonly link: UpstreamLink;
  release(): void;
}

const MAX_LINKS = 1_000;
/** Some are always left for others. */
const MAX_LINKS_PER_TENANT = 875;
const MAX_LINKS_PER_PRINCIPAL = 128;
const MAX_PROCESSES_PER_TENANT = 256;
const MAX_PROCESSES_PER_PRINCIPAL = 32;
const IDLE_MS = 5 * 60_000;
const ERA_TTL_MS = 60 * 60_000;
/** After a failure the next attempt waits, doubled with every failure in a row. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** A link that ended sooner counts as a failure. */
const STEADY_AFTER_MS = 30_000;
/** Upstreams and principals whose failures are remembered. */
const MAX_FAILURES = 10_000;

interface Entry {
  readonly key: LinkKey;
  readonly opening: Promise<UpstreamLink>;
  readonly startedMs: number;
  link: UpstreamLink | undefined;
  users: number;
  usedMs: number;
  idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** Those who hold it and want to know when it is gone. */
  readonly onGone: Set<() => void>;
}

/** All links of this replica. */
export class LinkPool {
  readonly #options: LinkPoolOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #failures = new Map<string, { readonly count: number; readonly untilMs: number }>();
  readonly #eras = new Map<string, { readonly era: ProtocolEra; readonly untilMs: number }>();
  readonly #closings = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: LinkPoolOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * A link for this key; throws `UpstreamFailure`, also while an upstream that failed is left alone for a moment. Until the
   * lease is given back, `onGone` is called when the link is gone, for whatever reason; it may be called more than once.
   */
  async lease(key: LinkKey, onGone?: () => void): Promise<LinkLease> {
    const name = nameOf(key);
    const entry = this.#usable(name) ?? this.#open(name, key);
    entry.users++;
    clearTimeout(entry.idleTimer);
    try {
      const link = await entry.opening;
      if (onGone !== undefined) listenForEnd(entry, link, onGone);
      return {
        link,
        release: once(() => {
          if (onGone !== undefined) entry.onGone.delete(onGone);
          this.#release(name, entry);
        }),
      };
    } catch (error) {
      entry.users--;
      throw error;
    }
  }

  /** Leases a link for the time of one piece of work. */
  async use<T>(key: LinkKey, work: (link: UpstreamLink) => Promise<T>): Promise<T> {
    const lease = await this.lease(key);
    try {
      return await work(lease.link);
    } finally {
      lease.release();
    }
  }

  /** Closes what a revocation, a kill switch or a changed configuration concerns; open requests on it fail. */
  async closeWhere(concerns: (key: LinkKey) => boolean): Promise<void> {
    const concerned = [...this.#entries].filter(([, { key }]) => concerns(key));
    await Promise.all(concerned.map(([name, entry]) => this.#drop(name, entry)));
  }

  /** Closes everything; later leases are refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.closeWhere(() => true);
    await Promise.all(this.#closings);
  }

  #usable(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (entry.link?.isOpen() !== false) return entry;
    this.#entries.delete(name);
    return undefined;
  }

  #open(name: string, key: LinkKey): Entry {
    if (this.#isClosed) throw new UpstreamFailure("upstream_failed", "shutting_down");
    const now = this.#options.steadyMs();
    const failures = [placeOf(key), holderOf(key)].map((of) => this.#failures.get(of)?.untilMs ?? 0);
    if (Math.max(...failures) > now) throw new UpstreamFailure("upstream_failed", "backing_off");
    this.#makeRoom(key);
    const opening = this.#options.open(key, this.#era(key, now));
    const entry: Entry = {
      ...{ key, opening, startedMs: now, usedMs: now, users: 0 },
      ...{ link: undefined, idleTimer: undefined, onGone: new Set() },
    };
    this.#entries.set(name, entry);
    opening.then((link) => this.#opened(name, entry, link), () => this.#failed(name, entry));
    return entry;
  }

  #opened(name: string, entry: Entry, link: UpstreamLink): void {
    entry.link = link;
    const { key } = entry;
    const untilMs = this.#options.steadyMs() + (this.#options.eraTtlMs ?? ERA_TTL_MS);
    this.#eras.set(placeOf(key), { era: link.info.era, untilMs });
    void link.gone.then((code) => {
      if (code !== "closed") this.#lost(name, entry, code);
      for (const tell of [...entry.onGone]) tell();
    });
    // Closed while it opened.
    if (this.#entries.get(name) !== entry) void this.#closeLink(link);
  }

  #lost(name: string, entry: Entry, code: string): void {
    if (this.#entries.get(name) === entry) this.#entries.delete(name);
    clearTimeout(entry.idleTimer);
    // What one principal does to a link of its own must not keep others away.
    if (this.#options.steadyMs() - entry.startedMs < STEADY_AFTER_MS) this.#countFailure(holderOf(entry.key));
    else this.#forgetFailures(entry.key);
    this.#options.onLost?.(entry.key, code);
  }

  #failed(name: string, entry: Entry): void {
    if (this.#entries.get(name) === entry) this.#entries.delete(name);
    // What failed may have become something else.
    this.#eras.delete(placeOf(entry.key));
    this.#countFailure(placeOf(entry.key));
  }

  #forgetFailures(key: LinkKey): void {
    for (const name of [placeOf(key), holderOf(key)]) this.#failures.delete(name);
  }

  #countFailure(name: string): void {
    const count = (this.#failures.get(name)?.count ?? 0) + 1;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (count - 1), LONGEST_PAUSE_MS);
    this.#failures.delete(name);
    this.#failures.set(name, { count, untilMs: this.#options.steadyMs() + pauseMs });
    if (this.#failures.size <= MAX_FAILURES) return;
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest);
      break;
    }
  }

  #era(key: LinkKey, now: number): ProtocolEra | undefined {
    const known = this.#eras.get(placeOf(key));
    return known !== undefined && known.untilMs > now ? known.era : undefined;
  }

  #release(name: string, entry: Entry): void {
    entry.users--;
    entry.usedMs = this.#options.steadyMs();
    if (entry.users > 0 || this.#entries.get(name) !== entry) return;
    if (entry.usedMs - entry.startedMs >= STEADY_AFTER_MS) this.#forgetFailures(entry.key);
    entry.idleTimer = setTimeout(() => void this.#drop(name, entry), this.#options.idleMs ?? IDLE_MS);
  }

  #makeRoom({ tenant, blockIds, session, isProcess }: LinkKey): void {
    const { maxLinks, maxOfTenant, maxOfPrincipal } = this.#options;
    const ofTenant = (key: LinkKey) => key.tenant === tenant;
    // Tokens that were made from one count as one: anybody can make them.
    const isOwn = (key: LinkKey) => ofTenant(key) && key.blockIds?.[0] === blockIds?.[0];
    if (blockIds !== undefined && session === undefined) {
      const isFree = (key: LinkKey) => isOwn(key) && key.session === undefined;
      this.#makeRoomAmong(isFree, maxOfPrincipal ?? MAX_LINKS_PER_PRINCIPAL);
    }
    if (blockIds !== undefined && isProcess === true) this.#makeRoomForProcess(isOwn, ofTenant);
    this.#makeRoomAmong(ofTenant, maxOfTenant ?? MAX_LINKS_PER_TENANT);
    this.#makeRoomAmong(() => true, maxLinks ?? MAX_LINKS);
  }

  #makeRoomForProcess(isOwn: (key: LinkKey) => boolean, ofTenant: (key: LinkKey) => boolean): void {
    const {
      maxProcessesOfPrincipal = MAX_PROCESSES_PER_PRINCIPAL,
      maxProcessesOfTenant = MAX_PROCESSES_PER_TENANT,
    } = this.#options;
    const isProcess = (key: LinkKey) => key.isProcess === true && key.blockIds !== undefined;
    this.#makeRoomAmong((key) => isProcess(key) && isOwn(key), maxProcessesOfPrincipal);
    this.#makeRoomAmong((key) => isProcess(key) && ofTenant(key), maxProcessesOfTenant);
  }

  #makeRoomAmong(concerns: (key: LinkKey) => boolean, most: number): void {
    if (this.#entries.size < most) return;
    const among = [...this.#entries].filter(([, { key }]) => concerns(key));
    if (among.length < most) return;
    const idle = among.filter(([, entry]) => entry.users === 0 && entry.link !== undefined);
    const [oldest] = idle.sort(([, a], [, b]) => a.usedMs - b.usedMs);
    if (oldest === undefined) throw new UpstreamFailure("upstream_failed", "too_many_links");
    void this.#drop(...oldest);
  }

  async #drop(name: string, entry: Entry): Promise<void> {
    clearTimeout(entry.idleTimer);
    if (this.#entries.get(name) === entry) this.#entries.delete(name);
    const link = entry.link ?? await entry.opening.catch(() => undefined);
    if (link !== undefined) await this.#closeLink(link);
  }

  async #closeLink(link: UpstreamLink): Promise<void> {
    const closing = link.close().catch(() => {});
    this.#closings.add(closing);
    await closing;
    this.#closings.delete(closing);
  }
}

function nameOf({ upstream, tenant, blockIds, session, clientCapabilities = {} }: LinkKey): string {
  return JSON.stringify([
    upstream,
    tenant,
    blockIds ?? null,
    session ?? null,
    canonicalJson(clientCapabilities),
  ]);
}

/** Eras are those of an upstream with a tenant's credential, whoever asks. */
function placeOf({ upstream, tenant }: LinkKey): string {
  return JSON.stringify([upstream, tenant]);
}

/** Whoever had links made from one token counts as one, whatever its sessions and capabilities. */
function holderOf({ upstream, tenant, blockIds }: LinkKey): string {
  return JSON.stringify([upstream, tenant, blockIds?.[0] ?? null]);
}

/** A link may have ended between its opening and now. */
function listenForEnd(entry: Entry, link: UpstreamLink, onGone: () => void): void {
  entry.onGone.add(onGone);
  if (!link.isOpen()) void link.gone.then(onGone);
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}
