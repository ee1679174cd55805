/**
 * Every replica's copy of the revocation feed. Rows are numbered in commit order, so "I have read up to the counter" means
 * "I know every revocation that was committed by then". Notifications make it fast, polling makes it certain.
 */

/** One row of the feed. `before`: only what was issued before that time, epoch seconds. */
export interface Revocation {
  readonly number: number;
  readonly tenant?: string | undefined;
  readonly kind: "block" | "agent" | "user" | "upstream" | "tenant" | "all";
  readonly value?: string | undefined;
  readonly before?: number | undefined;
}

/** What the feed reads; `store/revocations.ts` fits. */
export interface RevocationSource {
  readCounter(): Promise<number>;
  readAfter(number: number, limit: number): Promise<readonly Revocation[]>;
  /** Calls back on every new revocation, and whenever listening began (again). */
  listen(onChange: () => void): Promise<void>;
}

/** What a call is, as far as revocations can name it. */
export interface RevocationSubject {
  readonly tenant: string;
  readonly agent: string;
  readonly upstream: string;
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
  /** Milliseconds since the counter was last read successfully. */
  ageMs(): number;
  close(): Promise<void>;
}

export interface RevocationFeedOptions {
  readonly source: RevocationSource;
  readonly nowMs: () => number;
  readonly maxAgeMs: number;
  readonly pollMs?: number;
  readonly onError: (error: unknown) => void;
}

const PAGE = 1_000;

export function createRevocationFeed(options: RevocationFeedOptions): RevocationFeed {
  const { source, nowMs, maxAgeMs, pollMs = Math.min(500, maxAgeMs / 4) } = options;
  /** Latest `before` per key; `Infinity` revokes whatever was issued whenever. */
  const revokedBefore = new Map<string, number>();
  let knownNumber = 0;
  let freshAtMs = -Infinity;
  let reading: Promise<void> | undefined;
  let again = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  const read = async () => {
    const askedMs = nowMs();
    const counter = await source.readCounter();
    while (knownNumber < counter) {
      const rows = await source.readAfter(knownNumber, PAGE);
      if (rows.length === 0) throw new RangeError(`Revocation ${counter} is counted but cannot be read`);
      for (const row of rows) {
        const key = keyOf(row.kind, row.tenant, row.value);
        revokedBefore.set(key, Math.max(revokedBefore.get(key) ?? 0, row.before ?? Infinity));
        knownNumber = row.number;
      }
    }
    freshAtMs = askedMs;
  };
  const refresh = (): Promise<void> => {
    if (reading !== undefined) {
      again = true; // what was committed after the running read began is read by the next one
      return reading;
    }
    reading = read().finally(() => {
      reading = undefined;
      if (again && !closed) {
        again = false;
        refresh().catch(options.onError);
      }
    });
    return reading;
  };
  const poll = () => {
    if (closed) return;
    timer = setTimeout(() => refresh().catch(options.onError).finally(poll), pollMs);
  };
  const covers = (subject: RevocationSubject, kind: Revocation["kind"], value?: string) => {
    const before = revokedBefore.get(keyOf(kind, kind === "all" ? undefined : subject.tenant, value));
    return before !== undefined && subject.issuedAt < before;
  };
  return {
    start: async () => {
      await source.listen(() => void refresh().catch(options.onError));
      await refresh();
      poll();
    },
    isFresh: () => nowMs() - freshAtMs <= maxAgeMs,
    ageMs: () => nowMs() - freshAtMs,
    isRevoked: (subject) => {
      if (revokedBefore.size === 0) return undefined;
      if (subject.blockIds.some((blockId) => covers(subject, "block", blockId))) return "block";
      if (covers(subject, "agent", subject.agent)) return "agent";
      if (covers(subject, "upstream", subject.upstream)) return "upstream";
      if (covers(subject, "tenant")) return "tenant";
      return covers(subject, "all") ? "all" : undefined;
    },
    close: async () => {
      closed = true;
      clearTimeout(timer);
      await reading?.catch(() => {});
    },
  };
}

function keyOf(kind: string, tenant: string | undefined, value: string | undefined): string {
  return JSON.stringify([kind, tenant ?? null, kind === "tenant" || kind === "all" ? null : value ?? null]);
}
