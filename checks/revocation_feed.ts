/**
 * Every replica's copy of the revocation feed: revocations, kill switches and their releases. Rows are numbered in commit
 * order, so "I have read up to the counter" means "I know everything that was committed by then". Notifications make it
 * fast, polling makes it certain.
 */
import {
  createSwitchBoard,
  type EngagedSwitch,
  type KillSwitch,
  type SwitchSubject,
} from "./switch_board.ts";

/** One row of the feed. */
export type FeedRow = Revocation | KillSwitch | KillSwitchRelease;

/** Tokens that no longer count. `before`: only what was issued before that time, epoch seconds. */
export interface Revocation {
  readonly number: number;
  readonly effect: "revoke";
  readonly tenant?: string | undefined;
  readonly kind: "block" | "agent" | "user" | "upstream" | "tenant" | "all";
  readonly value?: string | undefined;
  readonly before?: number | undefined;
}

/** Takes back one kill switch; nothing takes back a revocation. */
export interface KillSwitchRelease {
  readonly number: number;
  readonly effect: "release";
  /** Number of the switch. */
  readonly releases: number;
}

/** What the feed reads; `store/revocations.ts` fits. */
export interface RevocationSource {
  readCounter(): Promise<number>;
  readAfter(number: number, limit: number): Promise<readonly FeedRow[]>;
  /** Calls back on every new row, and whenever listening began (again). */
  listen(onChange: () => void): Promise<void>;
}

/** What a call is, as far as revocations can name it. */
export interface RevocationSubject extends SwitchSubject {
  readonly blockIds: readonly string[];
  /** Epoch seconds. */
  readonly issuedAt: number;
}

export interface RevocationFeed {
  /** Reads the whole feed, then follows it. Rejects when the first read fails. */
  start(): Promise<void>;
  isFresh(): boolean;
  /** The kind of the revocation that covers the subject, or `undefined`. */
  isRevoked(subject: RevocationSubject): string | undefined;
  /** Whether this very block is revoked, and with it every token that begins with it or was made from it. */
  isBlockRevoked(tenant: string, blockId: string): boolean;
  /** The scope of an engaged kill switch that stops the subject, or `undefined`. */
  stoppedBy(subject: SwitchSubject): KillSwitch["scope"] | undefined;
  /** Calls back whenever something was revoked or stopped: what goes on without being asked again may have to end. One listener. */
  onRestricted(listener: () => void): void;
  /** The switches that are engaged, oldest first. */
  engagedSwitches(): readonly EngagedSwitch[];
  /** Milliseconds since the counter was last read successfully. */
  ageMs(): number;
  close(): Promise<void>;
}

/** The feed as a check sees it. */
export type RevocationView = Pick<RevocationFeed, "isFresh" | "isRevoked" | "stoppedBy">;

export interface RevocationFeedOptions {
  readonly source: RevocationSource;
  readonly nowMs: () => number;
  readonly maxAgeMs: number;
  readonly pollMs?: number;
  readonly onError: (error: unknown) => void;
}

const PAGE = 1_000;

export function createRevocationFeed(options: RevocationFeedOptions): RevocationFeed {
  return new Feed(options);
}

class Feed implements RevocationFeed {
  readonly #options: RevocationFeedOptions;
  /** Latest `before` per key; `Infinity` revokes whatever was issued whenever. */
  readonly #revokedBefore = new Map<string, number>();
  readonly #switches = createSwitchBoard();
  #onRestricted: () => void = () => {};
  #knownNumber = 0;
  #freshAtMs = -Infinity;
  #reading: Promise<void> | undefined;
  #again = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: RevocationFeedOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { source, onError } = this.#options;
    await source.listen(() => void this.#refresh().catch(onError));
    await this.#refresh();
    this.#poll();
  }

  isFresh(): boolean {
    return this.ageMs() <= this.#options.maxAgeMs;
  }

  ageMs(): number {
    return this.#options.nowMs() - this.#freshAtMs;
  }

  isRevoked(subject: RevocationSubject): string | undefined {
    if (this.#revokedBefore.size === 0) return undefined;
    if (subject.blockIds.some((blockId) => this.#covers(subject, "block", blockId))) return "block";
    if (this.#covers(subject, "agent", subject.agent)) return "agent";
    if (this.#covers(subject, "upstream", subject.upstream)) return "upstream";
    if (this.#covers(subject, "tenant")) return "tenant";
    return this.#covers(subject, "all") ? "all" : undefined;
  }

  isBlockRevoked(tenant: string, blockId: string): boolean {
    return this.#revokedBefore.has(keyOf("block", tenant, blockId));
  }

  stoppedBy(subject: SwitchSubject): KillSwitch["scope"] | undefined {
    return this.#switches.stoppedBy(subject);
  }

  onRestricted(listener: () => void): void {
    this.#onRestricted = listener;
  }

  engagedSwitches(): readonly EngagedSwitch[] {
    return this.#switches.engaged();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#reading?.catch(() => {});
  }

  /** Reads up to the counter. A change during a read is read by another one right after. */
  #refresh(): Promise<void> {
    if (this.#reading !== undefined) {
      this.#again = true;
      return this.#reading;
    }
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined;
      if (this.#again && !this.#closed) {
        this.#again = false;
        this.#refresh().catch(this.#options.onError);
      }
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { source, nowMs } = this.#options;
    const askedMs = nowMs();
    const counter = await source.readCounter();
    while (this.#knownNumber < counter) {
      const rows = await source.readAfter(this.#knownNumber, PAGE);
      if (rows.length === 0) throw new RangeError(`Row ${counter} of the feed is counted but cannot be read`);
      for (const row of rows) {
        this.#apply(row);
        this.#knownNumber = row.number;
      }
      if (rows.some((row) => row.effect !== "release")) this.#onRestricted();
    }
    this.#freshAtMs = askedMs;
  }

  #apply(row: FeedRow): void {
    if (row.effect === "engage") return this.#switches.engage(row);
    if (row.effect === "release") return this.#switches.release(row.releases);
    const key = keyOf(row.kind, row.tenant, row.value);
    this.#revokedBefore.set(key, Math.max(this.#revokedBefore.get(key) ?? 0, row.before ?? Infinity));
  }

  #poll(): void {
    if (this.#closed) return;
    const { pollMs, maxAgeMs, onError } = this.#options;
    this.#timer = setTimeout(
      () => this.#refresh().catch(onError).finally(() => this.#poll()),
      pollMs ?? Math.min(500, maxAgeMs / 4),
    );
  }

  #covers(subject: RevocationSubject, kind: Revocation["kind"], value?: string): boolean {
    const before = this.#revokedBefore.get(keyOf(kind, kind === "all" ? undefined : subject.tenant, value));
    return before !== undefined && subject.issuedAt < before;
  }
}

function keyOf(kind: string, tenant: string | undefined, value: string | undefined): string {
  return JSON.stringify([kind, tenant ?? null, kind === "tenant" || kind === "all" ? null : value ?? null]);
}
