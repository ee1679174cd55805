/**
 * Refusals without a verified token: nobody can be blamed for them, so they go to a chain of their own, coalesced with
 * counts so that a flood cannot fill it.
 */
import { type AuditEntry, UNVERIFIED_CHAIN } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { eventMetadata, eventProvenance, type EventSource } from "./event.ts";
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
  /** Appends one event; a failure puts the counts back for the next flush. */
  readonly append: (entry: AuditEntry) => Promise<unknown>;
  readonly onError: (error: unknown) => void;
  /** How long equal refusals are gathered, and how many different ones. */
  readonly windowMs?: number;
  readonly maxGroups?: number;
}

interface Group {
  readonly first: RefusedAttempt;
  count: number;
  lastMs: number;
}

export interface RefusedAttempts {
  record(attempt: RefusedAttempt): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export function createRefusedAttempts(options: RefusedAttemptsOptions): RefusedAttempts {
  const { windowMs = 1_000, maxGroups = 500 } = options;
  let groups = new Map<string, Group>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const add = (attempt: RefusedAttempt, count: number, lastMs: number) => {
    const exact = JSON.stringify([attempt.code, attempt.sourceIp, attempt.upstream, attempt.method]);
    const key = groups.has(exact) || groups.size < maxGroups ? exact : "others";
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: attempt, count, lastMs });
    else {
      group.count += count;
      group.lastMs = Math.max(group.lastMs, lastMs);
    }
  };
  const schedule = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      flush().catch(options.onError);
    }, windowMs);
  };
  const flush = async () => {
    const batch = groups;
    groups = new Map();
    for (const [key, group] of batch) {
      try {
        await options.append(entryOf(options, group, key === "others"));
      } catch (error) {
        add(group.first, group.count, group.lastMs);
        schedule();
        options.onError(error);
      }
    }
  };
  return {
    record: (attempt) => {
      add(attempt, 1, attempt.timeMs);
      schedule();
    },
    flush,
    close: async () => {
      clearTimeout(timer);
      await flush();
      clearTimeout(timer);
    },
  };
}

function entryOf(options: RefusedAttemptsOptions, group: Group, mixed: boolean): AuditEntry {
  const eventId = options.newId();
  const { first } = group;
  const event: JsonObject = {
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
    src_endpoint: { ip: first.sourceIp },
    unmapped: { ...eventProvenance(options.source, options.settingsVersion()), mixed },
  };
  return { chain: UNVERIFIED_CHAIN, eventId, canonical: canonicalEvent(event), conditions: [] };
}
