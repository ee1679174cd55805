/**
 * Refusals without a verified token: nobody can be blamed for them, so they go to a chain of their own, coalesced with
 * counts so that a flood cannot fill it.
 */
import { type AuditEntry, UNVERIFIED_CHAIN } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { OPERATOR_ATTEMPT_CODES } from "../core/refusal_codes.ts";
import { eventMetadata, eventProvenance, type EventSource, sourceEndpoint } from "./event.ts";
import { failedLoginsEvent } from "./login_event.ts";
import { canonicalEvent, shortenText } from "./shorten.ts";

export interface RefusedAttempt {
  /** Decision id that the caller was told. */
  readonly decisionId: string;
  readonly code: string;
  readonly method: string;
  readonly upstream: string;
  readonly sourceIp: string;
  readonly timeMs: number;
}

export interface RefusedAttemptsOptions {
  readonly source: EventSource;
  readonly settingsVersion: () => number;
  readonly newId: () => string;
  /** Appends one event, `recorded`, or keeps it until that is possible; a failure puts the counts back for the next flush. */
  readonly append: (entry: AuditEntry) => Promise<"recorded" | "kept">;
  readonly onError: (error: unknown) => void;
  /** How long equal refusals are gathered, and how many different ones. */
  readonly windowMs?: number;
  /** The same while events are kept or fail: it doubles with every flush up to this. */
  readonly maxWindowMs?: number;
  readonly maxGroups?: number;
}

interface Group {
  readonly first: RefusedAttempt;
  count: number;
  lastMs: number;
  /** Whether it holds refusals that differ from the first in more than their time. */
  mixed: boolean;
}

export interface RefusedAttempts {
  record(attempt: RefusedAttempt): void;
  /** Events that wait to be appended, each for any number of equal refusals. */
  waiting(): number;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Longest time that refusals are gathered while the database is away. */
const MAX_WINDOW_MS = 30_000;

export function createRefusedAttempts(options: RefusedAttemptsOptions): RefusedAttempts {
  const { windowMs = 1_000, maxWindowMs = MAX_WINDOW_MS, maxGroups = 100 } = options;
  let groups = new Map<string, Group>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let appending = 0;
  let nextWindowMs = windowMs;

  // Method and upstream are words of whoever calls: were they in the key, a flood of words would be a flood of events.
  const add = (attempt: RefusedAttempt, count: number, lastMs: number, mixed: boolean) => {
    const exact = JSON.stringify([attempt.code, attempt.sourceIp]);
    // One event is of one class: those of agents and those of operators never share a group.
    const others = isLogin(attempt) ? "other logins" : "others";
    const key = groups.has(exact) || groups.size < maxGroups ? exact : others;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: attempt, count, lastMs, mixed });
    else {
      group.count += count;
      group.lastMs = Math.max(group.lastMs, lastMs);
      group.mixed ||= mixed || !isAlike(group.first, attempt);
    }
  };
  const schedule = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      flush().catch(options.onError);
    }, nextWindowMs);
  };
  const flush = async () => {
    const batch = groups;
    groups = new Map();
    appending += batch.size;
    let isRecorded = true;
    for (const group of batch.values()) {
      try {
        if (await options.append(entryOf(options, group)) === "kept") isRecorded = false;
      } catch (error) {
        isRecorded = false;
        add(group.first, group.count, group.lastMs, group.mixed);
        schedule();
        options.onError(error);
      } finally {
        appending--;
      }
    }
    nextWindowMs = isRecorded ? windowMs : Math.min(2 * nextWindowMs, Math.max(windowMs, maxWindowMs));
  };
  return {
    record: (attempt) => {
      add(attempt, 1, attempt.timeMs, false);
      schedule();
    },
    waiting: () => groups.size + appending,
    flush,
    close: async () => {
      clearTimeout(timer);
      await flush();
      clearTimeout(timer);
    },
  };
}

function isAlike(left: RefusedAttempt, right: RefusedAttempt): boolean {
  return left.code === right.code && left.sourceIp === right.sourceIp && left.method === right.method &&
    left.upstream === right.upstream;
}

function isLogin({ code }: RefusedAttempt): boolean {
  return (OPERATOR_ATTEMPT_CODES as readonly string[]).includes(code);
}

function entryOf(options: RefusedAttemptsOptions, group: Group): AuditEntry {
  const eventId = options.newId();
  const { first, count, lastMs, mixed } = group;
  const event = isLogin(first)
    ? failedLoginsEvent(options.source, {
      ...{ eventId, settingsVersion: options.settingsVersion(), code: first.code, sourceIp: first.sourceIp },
      ...{ firstMs: first.timeMs, lastMs, count, mixed },
    })
    : attemptsEvent(options, eventId, group);
  return { chain: UNVERIFIED_CHAIN, eventId, canonical: canonicalEvent(event), conditions: [] };
}

function attemptsEvent(options: RefusedAttemptsOptions, eventId: string, group: Group): JsonObject {
  const { first, mixed } = group;
  return {
    activity_id: 99,
    activity_name: shortenText(first.method, 60),
    category_uid: 6,
    class_uid: 6003,
    type_uid: 600399,
    severity_id: 3,
    status_id: 2,
    status_code: first.code,
    action_id: 2,
    disposition_id: 2,
    time: first.timeMs,
    start_time: first.timeMs,
    end_time: group.lastMs,
    count: group.count,
    message: `${group.count} requests without a verified token were refused: ${first.code}`,
    metadata: eventMetadata(options.source, {
      id: eventId,
      tenant: UNVERIFIED_CHAIN,
      code: "attempt.refused",
      correlation: first.decisionId,
    }),
    actor: { app_name: "unverified" },
    api: { operation: shortenText(first.method, 60), service: { name: shortenText(first.upstream, 100) } },
    src_endpoint: sourceEndpoint(first.sourceIp),
    unmapped: { ...eventProvenance(options.source, options.settingsVersion()), mixed },
  };
}
